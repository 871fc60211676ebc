// The licences of what the bundles have in them of others: those ask that their words go along.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './bundle.mjs'

/** An esbuild plugin that notes every package a bundle takes something of, by its folder. */
export function notePackages(folders) {
  return {
    name: 'note-packages',
    setup(build) {
      build.initialOptions.metafile = true
      build.onEnd((result) => {
        for (const input of Object.keys(result.metafile?.inputs ?? {})) {
          const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]
          if (folder) folders.add(folder)
        }
      })
    },
  }
}

/** @param folders relative to the repository. @returns the text. @throws where a package has no licence */
export function licenseText(folders) {
  const parts = [...folders].sort().map((folder) => {
    const dir = join(root, folder)
    const { name, version, license, author } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
    if (!license) throw new Error(`${name} names no licence`)
    const file = readdirSync(dir).find((n) => /^(licen[cs]e|copying)/i.test(n))
    const by = typeof author === 'string' ? author : author?.name
    const words = file ? readFileSync(join(dir, file), 'utf8').trim() : `Copyright ${by ?? `the authors of ${name}`}`
    return `${name} ${version} (${license})\n\n${words}\n`
  })
  return `tsbox has parts of these packages in it.\n\n${parts.join(`\n${'-'.repeat(72)}\n\n`)}`
}
