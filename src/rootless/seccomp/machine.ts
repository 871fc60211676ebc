/** Machines that there are tables of system calls for, as Node names them. */
export const MACHINES = ['x64', 'arm64'] as const
export type SeccompMachine = (typeof MACHINES)[number]
