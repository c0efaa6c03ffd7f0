/** The API reference, from an OpenAPI document. */

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly additionalProperties?: Schema | boolean;
}

interface Body {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema?: Schema;
    readonly description?: string;
  }[];
  readonly requestBody?: Body;
  readonly responses?: Readonly<Record<string, Body & { readonly description?: string }>>;
}

export interface OpenApi {
  readonly info: { readonly title: string; readonly description?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

const cell = (text: string) =>
  text
    .replaceAll("|", "\\|")
    .replaceAll(/[<>*_]/g, String.raw`\$&`)
    .replaceAll(/\s*\n\s*/g, " ");
const refName = (ref: string) => ref.split("/").at(-1) ?? ref;

/** A type in a few words; named schemas are links. */
function typeText(schema: Schema | undefined): string {
  if (schema === undefined) return "anything";
  if (schema.$ref !== undefined) {
    const name = refName(schema.$ref);
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", ");
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeText).join(" or ");
  if (schema.items !== undefined) return `list of ${typeText(schema.items)}`;
  if (typeof schema.additionalProperties === "object") {
    return `map to ${typeText(schema.additionalProperties)}`;
  }
  return typeof schema.type === "string" ? schema.type : (schema.type ?? ["anything"]).join(" or ");
}

/** A row for each member, those of unnamed objects inside it too. */
function memberRows(schema: Schema, prefix = ""): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, own]) => {
    const must = schema.required?.includes(name) === true ? "yes" : "";
    const row = `| \`${prefix}${name}\` | ${typeText(own)} | ${must} | ${cell(own.description ?? "")} |`;
    const inner = own.items?.properties === undefined ? own : own.items;
    const below = own.items?.properties === undefined ? `${prefix}${name}.` : `${prefix}${name}[].`;
    return [row, ...memberRows(inner, below)];
  });
}

function members(schema: Schema): string[] {
  const rows = memberRows(schema);
  if (rows.length === 0) return ["", typeText(schema)];
  return ["", "| member | type | required | means |", "| --- | --- | --- | --- |", ...rows];
}

function bodyOf(body: Body | undefined): Schema | undefined {
  return Object.values(body?.content ?? {})[0]?.schema;
}

function bodyText(title: string, schema: Schema | undefined): string[] {
  if (schema === undefined) return [];
  if (schema.properties === undefined) return ["", `${title}: ${typeText(schema)}`];
  return ["", `${title}:`, ...members(schema)];
}

function operationText(method: string, path: string, operation: Operation): string[] {
  const { summary = "", description, parameters = [], requestBody, responses = {} } = operation;
  const answers = Object.entries(responses).filter(([status]) => status.startsWith("2"));
  return [
    "",
    `### ${method.toUpperCase()} ${path.replaceAll(/[_*]/g, String.raw`\$&`)}`,
    "",
    cell(summary),
    ...(description === undefined ? [] : ["", cell(description)]),
    ...(parameters.length === 0
      ? []
      : [
          "",
          "| parameter | in | type | means |",
          "| --- | --- | --- | --- |",
          ...parameters.map(
            (one) =>
              `| \`${one.name}\` | ${one.in} | ${typeText(one.schema)} | ${cell(one.description ?? one.schema?.description ?? "")} |`,
          ),
        ]),
    ...bodyText("Body", bodyOf(requestBody)),
    ...answers.flatMap(([status, answer]) => bodyText(`Answer ${status}`, bodyOf(answer))),
  ];
}

/** Markdown. */
export function apiReference(document: OpenApi): string {
  const { info, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? "other"))];
  const schemas = Object.entries(components?.schemas ?? {}).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return [
    `# API: ${info.title}`,
    "",
    cell(info.description ?? ""),
    "",
    "Errors have one form, [Error](#error); [all codes](errors.md).",
    ...tags.flatMap((tag) => [
      "",
      `## ${tag}`,
      ...operations
        .filter(({ operation }) => (operation.tags?.[0] ?? "other") === tag)
        .flatMap(({ path, method, operation }) => operationText(method, path, operation)),
    ]),
    "",
    "## Schemas",
    ...schemas.flatMap(([name, schema]) => [
      "",
      `### ${name}`,
      ...(schema.description === undefined ? [] : ["", cell(schema.description)]),
      ...members(schema),
    ]),
    "",
  ].join("\n");
}
