import { cleanPath } from '../../../base/path.js'
import type { IgnoreMatcher } from '../../context/ignore.js'
import { parseChmod } from '../chmod.js'
import { fault } from '../fault.js'
import { quote } from '../go-text.js'
import type {
  AddInstruction,
  CmdInstruction,
  CopyInstruction,
  EntrypointInstruction,
  EnvInstruction,
  LabelInstruction,
  StageInstruction,
} from '../instruction.js'
import { parsePort } from '../ports.js'
import { parseSignal } from '../signal.js'
import type { Reporter } from './reporter.js'
import type { StageScope } from './scope.js'
import { checkSecretName } from './secrets.js'

/**
 * The checks of one instruction whose words are expanded; the scope learns what it sets.
 *
 * @throws TsboxError E_DOCKERFILE for what would fail the build
 */
export function checkInstruction(
  i: StageInstruction,
  scope: StageScope,
  ignore: IgnoreMatcher | undefined,
  reporter: Reporter,
): void {
  switch (i.type) {
    case 'env':
      checkEnv(i, scope, reporter)
      break
    case 'label':
      checkLegacyFormat(i, reporter)
      break
    case 'copy':
    case 'add':
      checkTransfer(i, ignore, reporter)
      break
    case 'cmd':
    case 'entrypoint':
      checkOnce(i, scope, reporter)
      checkJson(i, scope, reporter)
      break
    case 'healthcheck':
      checkOnce(i, scope, reporter)
      break
    case 'shell':
      scope.hasShell = true
      break
    case 'workdir':
      checkWorkdir(i.path, i, scope, reporter)
      break
    case 'expose':
      checkExpose(i.ports, i, reporter)
      break
    case 'stopsignal':
      parseSignal(i.signal)
      break
    case 'onbuild':
      scope.triggers.push(i.expression)
      break
    case 'volume':
      if (i.volumes.includes('')) throw fault('VOLUME specified can not be an empty string', 'write VOLUME /path')
      break
    default:
  }
}

function checkEnv(i: EnvInstruction, scope: StageScope, reporter: Reporter): void {
  checkLegacyFormat(i, reporter)
  for (const { key, value } of i.pairs) {
    checkSecretName('ENV', key, i.location, reporter)
    scope.env.set(key, value)
  }
}

/** LegacyKeyValueFormat */
function checkLegacyFormat(i: EnvInstruction | LabelInstruction, reporter: Reporter): void {
  const { keyword } = i
  for (const pair of i.pairs)
    if (!pair.delimited)
      reporter.report(
        'LegacyKeyValueFormat',
        i.location,
        `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
      )
}

/** MultipleInstructionsDisallowed: the earlier one is the one that is lost. */
function checkOnce(i: StageInstruction, scope: StageScope, reporter: Reporter): void {
  const before = scope.last.get(i.type)
  if (before)
    reporter.report(
      'MultipleInstructionsDisallowed',
      before.location,
      `Multiple ${i.keyword} instructions should not be used in the same stage because only the last one will be used`,
    )
  scope.last.set(i.type, i)
}

/** JSONArgsRecommended: a shell between the engine and the program swallows signals, unless SHELL asked for one. */
function checkJson(i: CmdInstruction | EntrypointInstruction, scope: StageScope, reporter: Reporter): void {
  if (i.command.json || scope.hasShell) return
  reporter.report(
    'JSONArgsRecommended',
    i.location,
    `JSON arguments recommended for ${i.keyword} to prevent unintended behavior related to OS signals`,
  )
}

function checkWorkdir(path: string, i: StageInstruction, scope: StageScope, reporter: Reporter): void {
  const absolute = scope.os === 'windows' ? /^([a-zA-Z]:)?[\\/]/.test(path) : path.startsWith('/')
  if (!scope.workdirSet && !absolute)
    reporter.report(
      'WorkdirRelativePath',
      i.location,
      `Relative workdir ${quote(path)} can have unexpected results if the base image changes`,
    )
  scope.workdirSet = true
}

/** ExposeProtoCasing and ExposeInvalidFormat */
function checkExpose(words: readonly string[], i: StageInstruction, reporter: Reporter): void {
  for (const word of words) {
    const port = parsePort(word)
    if (port.miscased)
      reporter.report(
        'ExposeProtoCasing',
        i.location,
        `Defined protocol '${word}' in EXPOSE instruction should be lowercase`,
      )
    if (port.mapped)
      reporter.report(
        'ExposeInvalidFormat',
        i.location,
        `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`,
      )
  }
}

function checkTransfer(
  i: CopyInstruction | AddInstruction,
  ignore: IgnoreMatcher | undefined,
  reporter: Reporter,
): void {
  // Only what looks octal is judged before files are there.
  if (/^[0-7]+$/.test(i.chmod)) parseChmod(i.chmod)
  for (const source of i.sources) {
    const remote = isRemote(source)
    if (remote && i.type === 'copy')
      throw fault(`source can't be a ${remote} for COPY`, `write ADD ${i.sources.join(' ')} ${i.dest}`)
    if (!remote && (i.type === 'add' || i.from === '')) checkIgnored(i, source, ignore, reporter)
  }
}

function isRemote(source: string): 'git ref' | 'URL' | undefined {
  if (/^(git|ssh):\/\/|^git@[^:/]+:/.test(source)) return 'git ref'
  if (!/^https?:\/\//.test(source)) return undefined
  return /^https?:\/\/[^?#]*\.git(?:[?#].*)?$/.test(source) ? 'git ref' : 'URL'
}

/** CopyIgnoredFile */
function checkIgnored(
  i: CopyInstruction | AddInstruction,
  source: string,
  ignore: IgnoreMatcher | undefined,
  reporter: Reporter,
): void {
  const path = cleanPath(`/${source}`).slice(1)
  if (path === '' || !ignore?.matches(path)) return
  const verb = i.type === 'add' ? 'Add' : 'Copy'
  reporter.report(
    'CopyIgnoredFile',
    i.location,
    `Attempting to ${verb} file ${quote(source)} that is excluded by .dockerignore`,
  )
}
