/** `# key=value` lines at the top of a Dockerfile. */
export interface Directives {
  /** The frontend image asked for by `# syntax=`; undefined where absent. */
  syntax: string | undefined
  escape: string | undefined
  check: CheckOptions
}

/** `# check=skip=A,B;error=true;experimental=C` */
export interface CheckOptions {
  skip: string[]
  skipAll: boolean
  experimental: string[]
  experimentalAll: boolean
  /** Warnings fail the build. */
  error: boolean
}
