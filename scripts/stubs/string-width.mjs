// In the bundle instead of string-width, whose emoji patterns cost 30 ms to compile.
export { textWidth as default } from '../../src/cli/text-width.ts'
