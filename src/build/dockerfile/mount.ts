/** A `--mount` of RUN after expansion. */
export interface Mount {
  type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh'
  /** Stage, image or named context; `''` for none. */
  from: string
  /** Path below `from` (or the context); for a secret its id. */
  source: string
  /** `''` where the default applies. */
  target: string
  readOnly: boolean
  /** tmpfs: bytes, 0 for no limit. */
  sizeBytes: number
  /** cache, secret, ssh: the id; `''` where the default applies (cache: the target; secret: base name of the target). */
  id: string
  sharing: 'shared' | 'private' | 'locked'
  required: boolean
  /** secret: the variable that holds the value; undefined for none. */
  env: string | undefined
  mode: number | undefined
  uid: number | undefined
  gid: number | undefined
}
