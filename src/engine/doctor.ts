import { statfsSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import { doctorFact } from '../rootless/doctor-messages.js'
import { probeMachine } from '../rootless/doctor-probe.js'
import type { Lease } from '../store/lease.js'
import type { Store } from '../store/store.js'
import { makeDir } from '../util/make-dir.js'
import type { DoctorFact, DoctorReport } from './api.js'
import { helperPath } from './helper.js'

/** @see statfs(2) */
const TMPFS = 0x01021994

/**
 * Tries what this machine offers and says what tsbox will use of it; works, and says so, where nothing does.
 *
 * @param where `instead`: why the store is not at its usual place
 */
export async function examine(
  store: Store,
  lease: Lease,
  where: { env: Readonly<Record<string, string | undefined>>; instead: string | undefined },
): Promise<DoctorReport> {
  const { env, instead } = where
  let dir: string
  try {
    dir = lease.tempPath('doctor')
    makeDir(dir, 0o700)
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    return report([doctorFact('store.failed', { message: err.message }, err.hint)], 'none')
  }
  const stored = storeFact(store.root, instead)
  let helper: string
  try {
    helper = helperPath(env)
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    return report([stored, doctorFact('helper.missing', { message: err.message }, err.hint)], 'none')
  }
  const { facts, userns } = await probeMachine({ helperPath: helper, dir, env })
  return report([stored, ...facts], userns)
}

function storeFact(path: string, instead: string | undefined): DoctorFact {
  if (instead) return doctorFact('store.instead', { path, why: instead })
  return doctorFact(statfsSync(path).type === TMPFS ? 'store.memory' : 'store.ok', { path })
}

function report(facts: DoctorFact[], userns: DoctorReport['modes']['userns']): DoctorReport {
  const backend = userns === 'none' ? 'wasi' : 'namespace'
  return { facts, modes: { userns, backend, network: userns === 'none' ? 'none' : 'host' } }
}
