import type { SystemInfo } from '../../engine/api.js'
import { defineCommand, text } from '../command.js'
import { binarySize } from '../format/units.js'
import { toJson } from '../format/value.js'
import { version } from '../version.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Show what is known of the store and of this machine',
  arguments: [0, 0],
  options: { format: text('"json" or a Go template', 'f') },
  async run(values, _, { engine, shell }) {
    const info = fieldsOf(await (await engine()).system.info())
    if (!values.format) shell.stdout.write(textOf(info))
    else if (values.format === 'json') shell.stdout.write(`${toJson(info)}\n`)
    else {
      const { compileTemplate } = await import('../format/template.js')
      shell.stdout.write(`${compileTemplate(values.format)(info)}\n`)
    }
    return undefined
  },
})

/** Docker's fields, as far as they have a meaning without a daemon. */
function fieldsOf(info: SystemInfo) {
  return {
    ID: info.root,
    Containers: info.containers.total,
    ContainersRunning: info.containers.running,
    ContainersPaused: info.containers.paused,
    ContainersStopped: info.containers.stopped,
    Images: info.images,
    Driver: 'overlayfs',
    DriverStatus: [['userxattr', 'true']],
    Plugins: { Volume: ['local'], Network: ['host', 'none'], Authorization: null, Log: ['json-file', 'local', 'none'] },
    LoggingDriver: 'json-file',
    CgroupDriver: 'none',
    CgroupVersion: info.cgroupVersion,
    KernelVersion: info.kernel,
    OperatingSystem: info.operatingSystem,
    OSType: 'linux',
    Architecture: info.machine,
    NCPU: info.cpus,
    MemTotal: info.memoryBytes,
    DockerRootDir: info.root,
    Name: info.hostname,
    ServerVersion: version,
    DefaultRuntime: 'tsbox',
    Runtimes: { tsbox: {} },
    SecurityOptions: ['name=seccomp,profile=builtin', 'name=rootless', `name=userns,mode=${info.userns}`],
    Warnings: null,
    ClientInfo: { Debug: false, Version: version, Context: 'default', Plugins: [] },
  }
}

function textOf(info: ReturnType<typeof fieldsOf>): string {
  const security = info.SecurityOptions.map(
    (o) => `  ${o.slice('name='.length).replace(',', '\n   ').replace('=', ': ')}\n`,
  )
  return `Client:
 Version:    ${info.ClientInfo.Version}
 Context:    default
 Debug Mode: false

Server:
 Containers: ${info.Containers}
  Running: ${info.ContainersRunning}
  Paused: ${info.ContainersPaused}
  Stopped: ${info.ContainersStopped}
 Images: ${info.Images}
 Server Version: ${info.ServerVersion}
 Storage Driver: ${info.Driver}
  userxattr: true
 Logging Driver: ${info.LoggingDriver}
 Cgroup Driver: ${info.CgroupDriver}
 Cgroup Version: ${info.CgroupVersion}
 Plugins:
  Volume: ${info.Plugins.Volume.join(' ')}
  Network: ${info.Plugins.Network.join(' ')}
  Log: ${info.Plugins.Log.join(' ')}
 Runtimes: tsbox
 Default Runtime: tsbox
 Security Options:
${security.join('')} Kernel Version: ${info.KernelVersion}
 Operating System: ${info.OperatingSystem}
 OSType: linux
 Architecture: ${info.Architecture}
 CPUs: ${info.NCPU}
 Total Memory: ${binarySize(info.MemTotal)}
 Name: ${info.Name}
 Docker Root Dir: ${info.DockerRootDir}
`
}
