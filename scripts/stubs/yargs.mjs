// yargs as the bundle has it: its own factory on a platform of a few lines. Its usual platform loads `assert`, reads a
// locale file and looks for a package.json above the working directory at every start; tsbox needs none of these.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { format, inspect, stripVTControlCharacters } from 'node:util'
import wrapAnsi from 'wrap-ansi'
import { cliui } from '#cliui'
import { YargsFactory } from '#yargs/yargs-factory.js'
import { textWidth } from '../../src/cli/text-width.ts'
import { Parser } from './yargs-helpers.mjs'

const noModules = () => {
  throw new Error('the bundle loads no modules by name')
}

/** English is what yargs' keys are written in. */
const y18n = {
  __: (text, ...args) => format(text, ...args),
  __n: (one, many, count, ...args) => {
    const text = count === 1 ? one : many
    return text.includes('%d') ? format(text, count, ...args) : format(text, ...args)
  },
  getLocale: () => 'en',
  setLocale: () => {},
  updateLocale: () => {},
}

export default YargsFactory({
  assert: {
    strictEqual: (a, b, message) => {
      if (!Object.is(a, b)) throw new Error(message)
    },
    notStrictEqual: (a, b, message) => {
      if (Object.is(a, b)) throw new Error(message)
    },
  },
  cliui: (options) => cliui(options, { stringWidth: textWidth, stripAnsi: stripVTControlCharacters, wrap: wrapAnsi }),
  findUp: () => undefined,
  getCallerFile: noModules,
  getEnv: (name) => process.env[name],
  getProcessArgvBin: () => process.argv[1],
  inspect,
  mainFilename: process.cwd(),
  Parser,
  path: { basename, dirname, extname, join, relative, resolve },
  process: {
    argv: () => process.argv,
    cwd: () => process.cwd(),
    emitWarning: (warning, type) => process.emitWarning(warning, type),
    execPath: () => process.execPath,
    exit: (code) => process.exit(code),
    nextTick: process.nextTick,
    // The caller of help knows the width; asking the stream here would set it up at every start.
    stdColumns: null,
  },
  readFileSync,
  readdirSync,
  require: noModules,
  stringWidth: textWidth,
  y18n,
})
