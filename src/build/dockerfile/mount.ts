/** A `--mount` of RUN, as written: strings that may hold variables are unexpanded until `expandMount`. */
export interface Mount {
  type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh'
  /** Stage, image or named context; `''` for none. Never expanded. */
  from: string
  /** Path below `from` (or the context). */
  source: string
  target: string
  readOnly: boolean
  /** tmpfs: bytes, 0 for no limit. */
  sizeBytes: number
  /** cache, secret, ssh: the id; `''` where the default applies (cache: the target, secret: the target's base name). */
  id: string
  sharing: 'shared' | 'private' | 'locked'
  required: boolean
  /** secret: the variable that holds the value; undefined for none. */
  env: string | undefined
  mode: number | undefined
  uid: number | undefined
  gid: number | undefined
}
