/** The version of what a script can see: a change of it makes old results stale. */
const SHELL_VERSION = 1

/** What the shell adds to the keys of its steps. */
export const SHELL_SALT = `wasi-shell/${SHELL_VERSION}`
