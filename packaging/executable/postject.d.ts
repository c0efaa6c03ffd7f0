/** The part of postject that is used; it comes without types. */
declare module "postject" {
  export function inject(
    filename: string,
    resourceName: string,
    resource: Buffer,
    options: { readonly sentinelFuse: string },
  ): Promise<void>;
}
