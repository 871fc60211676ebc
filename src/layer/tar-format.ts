/** Numbers and names of the tar format. @see POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format" */
export const BLOCK = 512

/** Largest pax record block or GNU long name that is read: what is bigger is an attack on memory. */
export const MAX_META_BYTES = 1 << 20

/** Prefix of a pax record that holds an extended attribute (star's, which all tools of containers use). */
export const XATTR_PREFIX = 'SCHILY.xattr.'

/** Name prefix of a file that stands for a removed name. @see OCI image-spec 1.1, layer.md, "Whiteouts" */
export const WHITEOUT_PREFIX = '.wh.'

/** Name of the file that makes its directory opaque. */
export const OPAQUE_NAME = '.wh..wh..opq'

/** Bytes up to the next block border. */
export function padding(size: number): number {
  // Not `%` on a negative and not `&` on more than 31 bits.
  const rest = size % BLOCK
  return rest === 0 ? 0 : BLOCK - rest
}
