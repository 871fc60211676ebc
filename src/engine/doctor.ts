import { TsboxError } from '../base/error.js'
import { probeMachine } from '../rootless/doctor-probe.js'
import type { Lease } from '../store/lease.js'
import type { Store } from '../store/store.js'
import { makeDir } from '../util/make-dir.js'
import type { DoctorFact, DoctorReport } from './api.js'
import { helperPath } from './helper.js'

/** Tries what this machine offers and says what tsbox will use of it; works, and says so, where nothing does. */
export async function examine(
  store: Store,
  lease: Lease,
  env: Readonly<Record<string, string | undefined>>,
): Promise<DoctorReport> {
  let dir: string
  try {
    dir = lease.tempPath('doctor')
    makeDir(dir, 0o700)
  } catch (err) {
    return report([failedFact('store', 'Store', err, 'nothing can be built, loaded or run')], 'none')
  }
  const stored: DoctorFact = { id: 'store', state: 'ok', title: 'Store', detail: store.root }
  let helper: string
  try {
    helper = helperPath(env)
  } catch (err) {
    return report([stored, failedFact('helper', 'Helper', err, 'only WebAssembly steps can run')], 'none')
  }
  const { facts, userns } = await probeMachine({ helperPath: helper, dir, env })
  return report([stored, ...facts], userns)
}

function failedFact(id: string, title: string, err: unknown, cost: string): DoctorFact {
  if (!(err instanceof TsboxError)) throw err
  return { id, state: 'missing', title, detail: err.message, cost, mend: err.hint }
}

function report(facts: DoctorFact[], userns: DoctorReport['modes']['userns']): DoctorReport {
  const backend = userns === 'none' ? 'wasi' : 'namespace'
  return { facts, modes: { userns, backend, network: userns === 'none' ? 'none' : 'host' } }
}
