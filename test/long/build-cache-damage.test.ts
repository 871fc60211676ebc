/** Every way in which a cache of another machine can be wrong. */
import { test } from 'node:test'
import { CacheLab, DAMAGE } from '../helpers/cache-folder.js'
import { requireBox } from '../helpers/cli.js'

const lab = new CacheLab()

for (const damage of DAMAGE)
  test(`a cache with ${damage[0]} is one warning and a build without it`, async (t) => {
    if (await requireBox(t)) lab.checkDamage(t, damage)
  })
