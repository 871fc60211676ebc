import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import { compileTemplate } from '../../src/cli/format/template.js'
import { NIL_MAP, NIL_SLICE } from '../../src/cli/format/value.js'

/** What `docker context inspect` hands to a template on any machine. */
const context = {
  Name: 'default',
  Metadata: {},
  Endpoints: new Map([['docker', { Host: 'unix:///var/run/docker.sock', SkipTLSVerify: false }]]),
  TLSMaterial: new Map(),
  Storage: { MetadataPath: '<IN MEMORY>', TLSPath: '<IN MEMORY>' },
}

// Every answer is that of docker 28 for the same template; trailing newlines are left out.
const asDocker: [template: string, answer: string][] = [
  ['{{', 'template: :1: unclosed action'],
  ['{{range}}', 'template: :1: missing value for range'],
  ['{{foo .}}', 'template: :1: function "foo" not defined'],
  ['{{.Name.x}}', 'template: :1:7: executing "" at <.Name.x>: can\'t evaluate field x in type string'],
  [
    '{{index .Name 99}}',
    'template: :1:2: executing "" at <index .Name 99>: error calling index: index out of range: 99',
  ],
  ['{{ "x" | printf "%5s|%-5s|%q" "a" "b"}}', '    a|b    |"x"'],
  ['{{printf "%d %s %x %05.2f %t" 5 "a" 255 3.14159 true}}', '5 a ff 03.14 true'],
  ['{{.Endpoints}}', 'map[docker:{unix:///var/run/docker.sock false}]'],
  ['{{json "<a>"}}', '"<a>"'],
  [
    '{{json .}}',
    '{"Name":"default","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///var/run/docker.sock","SkipTLSVerify":false}},"TLSMaterial":{},"Storage":{"MetadataPath":"<IN MEMORY>","TLSPath":"<IN MEMORY>"}}',
  ],
  ['{{range $k, $v := .Endpoints}}{{$k}}:{{$v.Host}}{{else}}none{{end}}', 'docker:unix:///var/run/docker.sock'],
  ['{{if and .Name (eq .Name "default" "x")}}yes{{else if .Name}}no{{end}}', 'yes'],
  ['{{if eq .Name "nope"}}yes{{else if .Name}}no{{end}}', 'no'],
  ['{{with .Metadata}}m{{else}}empty{{end}}', 'm'],
  ['{{with .TLSMaterial}}m{{else}}empty{{end}}', 'empty'],
  ['{{len .Endpoints}}', '1'],
  ['{{(index .Endpoints "docker").Host}}', 'unix:///var/run/docker.sock'],
  ['{{slice "abcdef" 1 3}}', 'bc'],
  ['{{html "<a>"}}', '&lt;a&gt;'],
  ['{{"quoted\\t" }}', 'quoted\t'],
  ['{{`raw\\n`}}', 'raw\\n'],
  ["{{ 1.5 }} {{1e3}} {{'a'}} {{true}} {{not true}}", '1.5 1000 97 true false'],
  ['{{print 1 2 "a" "b" 3}}', '1 2ab3'],
  ['{{$x := 5}}{{$x = 6}}{{$x}} {{- " trimmed" -}}  {{/* c */}}|', '6 trimmed|'],
  ['a {{- /* c */ -}} b', 'ab'],
  ['{{lt 1 2}} {{ne 1 2}} {{ge 1 2}}', 'true true false'],
  ['{{.Storage}}', '{<IN MEMORY> <IN MEMORY>}'],
  ['{{.TLSMaterial.foo}}|{{.Endpoints.docker.Host}}', '<no value>|unix:///var/run/docker.sock'],
  ['{{if}}x{{end}}', 'template: :1: missing value for if'],
  ['{{.Name | nofunc}}', 'template: :1: function "nofunc" not defined'],
  ['{{end}}', 'template: :1: unexpected {{end}}'],
  ['{{if .Name}}', 'template: :1: unexpected EOF'],
  ['{{range $i := 3}}{{$i}}{{end}}', '012'],
  ['{{ printf "%v" nil }}', '<nil>'],
  [
    '{{ printf "%v %+v %s" .Endpoints .Storage .Storage}}',
    'map[docker:{unix:///var/run/docker.sock false}] {MetadataPath:<IN MEMORY> TLSPath:<IN MEMORY>} {<IN MEMORY> <IN MEMORY>}',
  ],
  ['{{eq 1 "a"}}', 'template: :1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison'],
  [
    '{{ join .Name ","}}',
    'template: :1:8: executing "" at <.Name>: wrong type for value; expected []string; got string',
  ],
  ['{{ len 3 }}', 'template: :1:3: executing "" at <len 3>: error calling len: len of type int'],
  ['{{$x}}', 'template: :1: undefined variable "$x"'],
  ['{{"abc}}', 'template: :1: unterminated quoted string'],
  ['{{.Name.}}', 'template: :1: unexpected <.> in operand'],
  ['{{printf "%s" 1.5}} {{printf "%s"}} {{printf "x" 1}}', '%!s(float64=1.5) %!s(MISSING) x%!(EXTRA int=1)'],
  [
    '{{printf "%6.2f|%-8s|%+d|%x|%X|%o|%b|%c|%U|%e" 3.14159 "ab" 5 "hi" 255 8 5 65 65 12345.678}}',
    '  3.14|ab      |+5|6869|FF|10|101|A|U+0041|1.234568e+04',
  ],
  ['{{println "a" "b" 1 2}}{{print "a" 1 2 "b"}}{{html "a&b"}} {{urlquery "a b"}}', 'a b 1 2\na1 2ba&amp;b a+b'],
  [
    '{{range .Endpoints}}{{.Host}}{{break}}{{end}} {{and 1 0}} {{or 0 "x"}} {{title "hello world"}} {{pad "a" 1 2}}|',
    'unix:///var/run/docker.sock 0 x Hello World  a  |',
  ],
  [
    '{{index (split "a,b" ",") 5}}',
    'template: :1:2: executing "" at <index (split "a,b" ",") 5>: error calling index: index out of range: 5',
  ],
  ['{{ range split "a,b,c" ","}}{{if eq . "b"}}{{continue}}{{end}}{{.}};{{end}}', 'a;c;'],
  ['{{ lower "ABC" | printf "%s-%s" "x" }}{{with $y := "v"}}{{$y}}{{.}}{{end}}', 'x-abcvv'],
  ['{{ (printf "%s" "a") }} {{ true | not }}  {{ -5 }} {{ 0x1F }}', 'a false  -5 31'],
  ['{{truncate "abcdef" 3}} {{join (split "a b" " ") "-"}}', 'abc a-b'],
  ['{{len .Name}} {{.Name | len}} {{.Name | upper | lower}}', '7 7 default'],
  ['{{if not .TLSMaterial}}none{{end}}', 'none'],
  ['{{range .TLSMaterial}}x{{else}}empty{{end}}', 'empty'],
  ['{{$e := index .Endpoints "docker"}}{{$e.SkipTLSVerify}}', 'false'],
  ['{{range $i, $e := split "a b" " "}}{{if $i}}, {{end}}{{$e}}{{end}}', 'a, b'],
  ['{{ .Name }}{{"\\n"}}{{ .Name }}', 'default\ndefault'],
  ['{{ print }}', ''],
  ['{{ upper }}', 'template: :1:3: executing "" at <upper>: wrong number of args for upper: want 1 got 0'],
  ['{{ break }}', 'template: :1: {{break}} outside {{range}}'],
  ['{{ "a" "b" }}', 'template: :1:3: executing "" at <"a">: can\'t give argument to non-function "a"'],
  ['{{ nil }}', 'template: :1:3: executing "" at <nil>: nil is not a command'],
  ['{{ index .Endpoints "nope" }}', '<no value>'],
  ['{{ 1) }}', 'template: :1: unexpected right paren'],
  ['{{/* unclosed }}', 'template: :1: unclosed comment'],
  ['{{ $.Name }} {{with .Storage}}{{$.Name}} {{.TLSPath}}{{end}}', 'default default <IN MEMORY>'],
  ['{{ printf "%q" .Name }} {{ printf "%08.3f|%8d|%-8d|" 3.14159 42 42 }}', '"default" 0003.142|      42|42      |'],
  ['{{eq .Name "default"}}{{ne .Name "x"}}', 'truetrue'],
  ['{{if eq 1 2}}a{{else}}b{{end}}', 'b'],
  ['{{range $i := 2}}{{range $j := 2}}{{$i}}{{$j}} {{end}}{{end}}', '00 01 10 11 '],
  ['{{ not }}', 'template: :1:3: executing "" at <not>: wrong number of args for not: want 1 got 0'],
  ['{{ le "a" "b" }}', 'true'],
  ['{{ printf "%d%%" 5 }}', '5%'],
  ['{{ index "abc" 1 }}', '98'],
  ['{{ slice (split "a,b,c" ",") 1 }}', '[b c]'],
]

for (const [template, answer] of asDocker) {
  test(`compileTemplate() answers ${template} as docker does`, () => {
    assert.equal(answerOf(template, context), answer)
  })
}

function answerOf(template: string, data: unknown): string {
  try {
    return compileTemplate(template)(data).replace(/\n+$/, '')
  } catch (err) {
    assert.ok(err instanceof TsboxError, String(err))
    return err.message.replace('template parsing error: ', '')
  }
}

const image = {
  Id: 'sha256:abc',
  RepoTags: ['a:1', 'b:2'],
  Size: 1234567,
  Config: {
    Env: ['PATH=/bin', 'A=1'],
    Cmd: NIL_SLICE,
    Entrypoint: ['/x', '-y'],
    ExposedPorts: new Map([
      ['80/tcp', {}],
      ['443/tcp', {}],
    ]),
    Labels: new Map([
      ['b', '2'],
      ['a.b/c', '1'],
    ]),
    Volumes: NIL_MAP,
    Healthcheck: null,
  },
}

// What docker's own documentation does with images and containers.
const onImages: [template: string, answer: string][] = [
  ['{{.Id}}', 'sha256:abc'],
  ['{{json .Config.Env}}', '["PATH=/bin","A=1"]'],
  ['{{.Config.Env}}', '[PATH=/bin A=1]'],
  ['{{.Config.Cmd}}', '[]'],
  ['{{json .Config.Cmd}}', 'null'],
  ['{{len .Config.Cmd}}', '0'],
  ['{{.Config.Labels}}', 'map[a.b/c:1 b:2]'],
  ['{{json .Config.Labels}}', '{"a.b/c":"1","b":"2"}'],
  ['{{.Config.Volumes}}', 'map[]'],
  ['{{json .Config.Volumes}}', 'null'],
  ['{{index .Config.Labels "a.b/c"}}', '1'],
  ['{{index .Config.Labels "none"}}', ''],
  ['{{.Config.Labels.none}}', '<no value>'],
  ['{{.Config.Volumes.none}}', '<no value>'],
  ['{{.Config.Healthcheck}}', '<no value>'],
  ['{{if .Config.Healthcheck}}yes{{else}}no{{end}}', 'no'],
  ['{{.Config.ExposedPorts}}', 'map[443/tcp:{} 80/tcp:{}]'],
  ['{{range $p, $conf := .Config.ExposedPorts}}{{$p}} {{end}}', '443/tcp 80/tcp '],
  ['{{range .Config.Env}}{{println .}}{{end}}', 'PATH=/bin\nA=1'],
  ['{{join .RepoTags ", "}}', 'a:1, b:2'],
  ['{{index .RepoTags 0}}', 'a:1'],
  ['{{slice .Id 7}}', 'abc'],
  ['{{.Size}} {{printf "%.2f" 1.5}}', '1234567 1.50'],
  ['{{"{{"}}', '{{'],
  ['{{range .Config.Cmd}}x{{else}}empty{{end}}', 'empty'],
  ['{{with .Config}}{{index .Entrypoint 1}}{{end}}', '-y'],
  ['{{with .Config.Cmd}}some{{else}}none{{end}}', 'none'],
  ['{{if and .RepoTags (gt .Size 1000)}}big{{end}}', 'big'],
  ['{{range $i, $t := .RepoTags}}{{if $i}};{{end}}{{split $t ":"}}{{end}}', '[a 1];[b 2]'],
  ['{{.Config.Nope}}', 'template: :1:9: executing "" at <.Config.Nope>: can\'t evaluate field Nope in type struct'],
]

for (const [template, answer] of onImages) {
  test(`compileTemplate() answers ${template} on an image`, () => {
    assert.equal(answerOf(template, image), answer)
  })
}

test('compileTemplate() tells faults of the grammar from faults of the data by the exit code', () => {
  const exitOf = (run: () => unknown) => {
    try {
      run()
      return 0
    } catch (err) {
      return (err as TsboxError).exitCode
    }
  }
  assert.equal(
    exitOf(() => compileTemplate('{{')),
    64,
  )
  assert.equal(
    exitOf(() => compileTemplate('{{.Foo}}')({})),
    1,
  )
})
