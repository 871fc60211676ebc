declare const TSBOX_VERSION: string | undefined

/** Version of tsbox, put in by the bundler. */
export const version = typeof TSBOX_VERSION === 'string' ? TSBOX_VERSION : 'development'

/** What `--version` prints. */
export const versionLine = `tsbox version ${version}`
