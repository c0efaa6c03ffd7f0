/** Why the pool does not have a feature that some class has. */
export type Reason =
  | { readonly kind: "absent" }
  | { readonly kind: "forbidden" }
  | { readonly kind: "requires"; readonly feature: string }
  | { readonly kind: "unused"; readonly by: readonly string[] }
  | { readonly kind: "layout"; readonly field: string }
  | { readonly kind: "hidden"; readonly level: string }
  | { readonly kind: "unverifiable" };
