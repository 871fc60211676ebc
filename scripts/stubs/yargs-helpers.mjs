// yargs/helpers as the bundle has it: the parser alone, whose usual place loads all of yargs' platform with it.
import { normalize, resolve } from 'node:path'
import { format } from 'node:util'
import { camelCase, decamelize, looksLikeNumber } from '#yargs-parser/string-utils.js'
import { YargsParser } from '#yargs-parser/yargs-parser.js'

const parser = new YargsParser({
  cwd: () => process.cwd(),
  env: () => process.env,
  format,
  normalize,
  resolve,
  require: () => {
    throw new Error('the bundle loads no modules by name')
  },
})

export const Parser = Object.assign((args, options) => parser.parse(args.slice(), options).argv, {
  detailed: (args, options) => parser.parse(args.slice(), options),
  camelCase,
  decamelize,
  looksLikeNumber,
})
