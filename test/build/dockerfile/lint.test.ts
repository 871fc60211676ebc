import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LintContext, lint } from '../../../src/build/dockerfile/checks/lint.js'
import { RULES } from '../../../src/build/dockerfile/checks/rules.js'
import { parseDockerfile } from '../../../src/build/dockerfile/parse.js'
import { warningLine } from '../../../src/build/progress/event.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }

interface Case {
  name: string
  text: string
  /** `Rule: detail (line n)`, by line. */
  warnings?: string[]
  error?: RegExp
  context?: Partial<LintContext>
}

const cases: Case[] = [
  { name: 'nothing', text: 'FROM scratch\nCOPY a /a\n' },
  {
    name: 'casing of stage names and AS',
    text: 'FROM scratch AS Big\nFROM scratch as small\n',
    warnings: [
      "StageNameCasing: Stage name 'Big' should be lowercase (line 1)",
      "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 2)",
    ],
  },
  {
    name: 'casing of keywords, majority lower',
    text: 'from scratch\ncopy a b\nCOPY a b\nUser x\n',
    warnings: [
      "ConsistentInstructionCasing: Command 'COPY' should match the case of the command majority (lowercase) (line 3)",
      "ConsistentInstructionCasing: Command 'User' should match the case of the command majority (lowercase) (line 4)",
    ],
  },
  {
    name: 'casing of keywords, a draw',
    text: 'FROM scratch\ncopy a b\n',
    warnings: [
      "ConsistentInstructionCasing: Command 'copy' should match the case of the command majority (uppercase) (line 2)",
    ],
  },
  {
    name: 'empty continuation',
    text: 'FROM scratch\nCOPY a \\\n\n b\n',
    warnings: ['NoEmptyContinuation: Empty continuation line (line 4)'],
  },
  {
    name: 'duplicate and reserved stage names',
    text: 'FROM scratch AS context\nFROM scratch AS a\nFROM scratch AS a\n',
    warnings: [
      'ReservedStageName: Stage name should not use the same name as reserved stage "context" (line 1)',
      'DuplicateStageName: Duplicate stage name "a", stage names should be unique (line 3)',
    ],
  },
  {
    name: 'shell forms',
    text: 'FROM scratch AS a\nCMD x\nFROM scratch AS b\nSHELL ["/s"]\nFROM b\nENTRYPOINT x\n',
    warnings: [
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 2)',
    ],
  },
  {
    name: 'maintainer',
    text: 'FROM scratch\nMAINTAINER me\n',
    warnings: ['MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)'],
  },
  {
    name: 'undeclared ARG in FROM',
    text: 'ARG VERSION=1\nFROM app:${VERSOIN}x\n',
    warnings: ["UndefinedArgInFrom: FROM argument 'VERSOIN' is not declared (did you mean VERSION?) (line 2)"],
  },
  {
    name: 'a default that makes no image name',
    text: 'ARG TAG\nFROM app:$TAG\n',
    warnings: [
      'InvalidDefaultArgInFrom: Default value for ARG app:$TAG results in empty or invalid base image name (line 2)',
    ],
    context: { buildArgs: { TAG: '1' } },
  },
  {
    name: 'a base that stays empty',
    text: 'ARG BASE\nFROM $BASE\n',
    warnings: [
      'InvalidDefaultArgInFrom: Default value for ARG $BASE results in empty or invalid base image name (line 2)',
    ],
    error: /^base name \(\$BASE\) should not be blank$/,
  },
  {
    name: 'platforms',
    text: 'FROM --platform=$TARGETPLATFORM a\nFROM --platform=linux/arm64 b\nFROM --platform=linux/arm64 c AS arm64-tools\nFROM --platform=$BUILDPLATFORM d\n',
    warnings: [
      'RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior (line 1)',
      'FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/arm64" (line 2)',
    ],
  },
  {
    name: 'a platform that stays empty',
    text: 'FROM --platform=$BULIDPLATFORM a\n',
    warnings: [
      "UndefinedArgInFrom: FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?) (line 1)",
    ],
    error: /^empty platform value from expression \$BULIDPLATFORM \(did you mean BUILDPLATFORM\?\)$/,
  },
  {
    name: 'an image for another machine',
    text: 'FROM a\n',
    warnings: [
      'InvalidBaseImagePlatform: Base image a was pulled with platform "linux/arm64", expected "linux/amd64" for current build (line 1)',
    ],
    context: {
      image: () => ({
        env: new Map(),
        hasShell: false,
        triggers: [],
        platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      }),
    },
  },
  {
    name: 'variables of the base image, and its triggers',
    text: 'FROM a\nWORKDIR $HOME/$NOTHOME\n',
    warnings: [
      "UndefinedVar: Usage of undefined variable '$LOST' (line 1)",
      "UndefinedVar: Usage of undefined variable '$NOTHOME' (line 2)",
    ],
    context: {
      image: () => ({
        env: new Map([['HOME', '/root']]),
        hasShell: false,
        triggers: ['COPY $LOST /x'],
        platform: undefined,
      }),
    },
  },
  {
    name: 'relative WORKDIR',
    text: 'FROM scratch AS a\nWORKDIR x\nWORKDIR y\nFROM a\nWORKDIR z\nFROM scratch\nWORKDIR /\nWORKDIR w\n',
    warnings: [
      'WorkdirRelativePath: Relative workdir "x" can have unexpected results if the base image changes (line 2)',
    ],
  },
  {
    name: 'undefined variables',
    text: 'FROM scratch\nARG A B=1\nENV C=$A$B$PATHS\nCOPY $D ${E:-x} /x\nLABEL a=$F\nRUN --mount=type=$G,target=/x echo $H\n',
    warnings: [
      "UndefinedVar: Usage of undefined variable '$PATHS' (did you mean $PATH?) (line 3)",
      "UndefinedVar: Usage of undefined variable '$D' (did you mean $B?) (line 4)",
      "UndefinedVar: Usage of undefined variable '$E' (did you mean $B?) (line 4)",
      "UndefinedVar: Usage of undefined variable '$F' (did you mean $B?) (line 5)",
      "UndefinedVar: Usage of undefined variable '$G' (did you mean $B?) (line 6)",
    ],
    error: /^unsupported mount type ""$/,
  },
  {
    name: 'variables of a stage reach the stages on top of it',
    text: 'FROM scratch AS a\nARG X=1\nENV Y=2\nFROM a\nCOPY $X $Y /d\nFROM scratch\nCOPY $X /d\n',
    warnings: ["UndefinedVar: Usage of undefined variable '$X' (line 7)"],
  },
  {
    name: 'variables in inline files',
    text: "FROM scratch\nCOPY <<a <<'b' /x/\n$GONE\na\n$KEPT\nb\n",
    warnings: ["UndefinedVar: Usage of undefined variable '$GONE' (line 2)"],
  },
  {
    name: 'instructions that replace each other',
    text: 'FROM scratch AS a\nCMD ["a"]\nCMD ["b"]\nHEALTHCHECK NONE\nHEALTHCHECK NONE\nFROM a\nCMD ["c"]\n',
    warnings: [
      'MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used (line 2)',
      'MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used (line 4)',
    ],
  },
  {
    name: 'old forms of ENV and LABEL',
    text: 'FROM scratch\nENV a b\nLABEL c d\n',
    warnings: [
      'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 2)',
      'LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format (line 3)',
    ],
  },
  {
    name: 'names of secrets',
    text: 'FROM scratch\nARG GITHUB_TOKEN PUBLIC_KEY\nENV password=x keyboard=y\n',
    warnings: [
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "GITHUB_TOKEN") (line 2)',
      'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "password") (line 3)',
    ],
  },
  {
    name: 'files that .dockerignore leaves out',
    text: '# check=experimental=CopyIgnoredFile\nFROM scratch AS a\nFROM scratch\nCOPY ./secret/x /x\nADD secret /y\nCOPY --from=a secret /z\nCOPY . /\n',
    warnings: [
      'CopyIgnoredFile: Attempting to Copy file "./secret/x" that is excluded by .dockerignore (line 4)',
      'CopyIgnoredFile: Attempting to Add file "secret" that is excluded by .dockerignore (line 5)',
    ],
    context: { ignorePatterns: ['secret'] },
  },
  {
    name: 'descriptions',
    text: '# check=experimental=all\n# V the version\nARG V\n# W of another\nARG X\n# about b\n#\nFROM scratch AS b\n# none\nARG Y Z\n',
    warnings: [
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# X <description>` (line 5)',
      'InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>` (line 10)',
    ],
  },
  {
    name: 'EXPOSE',
    text: 'FROM scratch\nEXPOSE 80/TCP 127.0.0.1:80:80\n',
    warnings: [
      "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80' (line 2)",
      "ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase (line 2)",
    ],
  },
  { name: 'skip', text: '# check=skip=FromAsCasing\nFROM scratch as a\n' },
  { name: 'skip all', text: '# check=skip=all;error=true\nFROM scratch as A\n' },
  {
    name: 'error',
    text: '# check=error=true\nFROM scratch as a\n',
    warnings: ["FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 2)"],
    error: /^lint violation found for rules: FromAsCasing$/,
  },
  {
    name: 'only the target and what it needs',
    text: 'FROM scratch AS a\nENV k v\nFROM scratch AS b\nENV k v\nFROM scratch AS c\nCOPY --from=b x x\nENV k v\n',
    warnings: [
      'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 4)',
      'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 7)',
    ],
    context: { target: 'C' },
  },
  {
    name: 'a target that is not there',
    text: 'FROM scratch AS final\n',
    context: { target: 'finla' },
    error: /^target stage "finla" could not be found \(did you mean final\?\)$/,
  },
  {
    name: 'a stage that takes from itself',
    text: 'FROM scratch AS a\nCOPY --from=a x y\n',
    error: /^circular dependency detected on stage: a$/,
  },
  {
    name: 'a stage that takes from a later one',
    text: 'FROM scratch\nCOPY --from=b x y\nFROM scratch AS b\n',
    error: /^cannot copy from stage "b", it needs to be defined before/,
  },
  {
    name: 'a stage index that is not there',
    text: 'FROM scratch\nCOPY --from=3 x y\n',
    error: /^invalid stage index 3$/,
  },
  {
    name: 'a base that is no name',
    text: 'FROM Alpine\n',
    warnings: [
      'InvalidDefaultArgInFrom: Default value for ARG Alpine results in empty or invalid base image name (line 1)',
    ],
    error: /invalid reference format/,
  },
  {
    name: 'a URL for COPY',
    text: 'FROM scratch\nCOPY https://example.com/x /x\n',
    error: /^source can't be a URL for COPY$/,
  },
  {
    name: 'a repository for COPY',
    text: 'FROM scratch\nCOPY https://example.com/x.git#main /x\n',
    error: /^source can't be a git ref for COPY$/,
  },
  {
    name: 'a base image that nobody knows: it may set anything',
    text: 'FROM a AS b\nENV X=$GOPATH/x\nFROM b\nENV Y=$HOME\nFROM scratch\nENV Z=$MISSING\n',
    context: { image: () => undefined },
    warnings: ["UndefinedVar: Usage of undefined variable '$MISSING' (line 6)"],
  },
  {
    name: 'what a build without a target looks at',
    text: 'FROM scratch AS a\nENV X=$A\nFROM scratch AS b\nENV X=$B\nFROM b\nENV X=$C\n',
    context: { lastOnly: true },
    warnings: [
      "UndefinedVar: Usage of undefined variable '$B' (line 4)",
      "UndefinedVar: Usage of undefined variable '$C' (did you mean $X?) (line 6)",
    ],
  },
  {
    name: 'a target by its index',
    text: 'FROM scratch AS a\nENV X=$A\nFROM scratch\nENV X=$B\nFROM a\nENV X=$C\n',
    context: { target: '1' },
    warnings: ["UndefinedVar: Usage of undefined variable '$B' (line 4)"],
  },
]

for (const { name, text, warnings = [], error, context } of cases)
  test(`lint() of ${name}`, () => {
    const result = lint(parseDockerfile(text, { file: 'Dockerfile' }), { platform: AMD64, ...context })
    assert.match(result.error?.message ?? '', error ?? /^$/)
    // Where the build would fail, later warnings may be missing; what came before must be there.
    if (error && warnings.length === 0) return
    assert.deepEqual(result.warnings.map((w) => warningLine({ ...w, message: w.detail })).sort(), [...warnings].sort())
  })

test('the checks are the 22 of BuildKit', () => {
  const names = Object.keys(RULES)
  assert.equal(names.length, 22)
  assert.equal(RULES.JSONArgsRecommended.url, 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/')
  assert.equal(
    RULES.SecretsUsedInArgOrEnv.url,
    'https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/',
  )
})

test('an error of a check points at the instruction', () => {
  const file = parseDockerfile('FROM scratch\nRUN x\nEXPOSE \\\n  99999\n', { file: 'D' })
  const { error } = lint(file, { platform: AMD64 })
  assert.deepEqual([error?.location?.file, error?.location?.line, error?.location?.endLine], ['D', 3, 4])
})
