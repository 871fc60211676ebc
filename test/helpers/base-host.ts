import { type Files, MemoryHost } from './memory-host.js'

/** A world in memory with an image `base` (a shell, /etc/passwd with `app`) and a main context of these files. */
export async function hostWithBase(context: Files = { 'a.txt': 'a', 'b.txt': 'b' }): Promise<MemoryHost> {
  const host = new MemoryHost()
  const layer = await host.layerOf({
    bin: null,
    'bin/sh': 'sh',
    etc: null,
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n',
  })
  host.images.set('base', {
    digest: 'sha256:base',
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [layer.diffID!] },
    },
    layers: [layer],
  })
  host.contexts.set('', context)
  return host
}
