/** One thing that was probed, by doing it. */
export interface DoctorFact {
  id: string
  /** `ok`: there; `missing`: not there, with a cost; `info`: good to know. */
  state: 'ok' | 'missing' | 'info'
  title: string
  detail: string
  /** What its absence costs. */
  cost?: string | undefined
  /** The exact command that mends it. */
  mend?: string | undefined
}
