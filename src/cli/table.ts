import type { Command } from './command.js'

/** A command as `help` lists it; its module is loaded only when it is called. */
export interface Entry {
  summary: string
  load: () => Promise<{ command: Command }>
  /** Left out of `help`. */
  hidden?: true
}

/** Commands by name. */
export const commands: Readonly<Record<string, Entry>> = {
  run: { summary: 'Create and run a new container from an image', load: () => import('./commands/run.js') },
  exec: { summary: 'Run a command in a running container', load: () => import('./commands/exec.js') },
  ps: { summary: 'List containers', load: () => import('./commands/ps.js') },
  build: { summary: 'Build an image from a Dockerfile', load: () => import('./commands/build.js') },
  pull: { summary: 'Download an image from a registry', load: () => import('./commands/pull.js') },
  push: { summary: 'Upload an image to a registry', load: () => import('./commands/push.js') },
  login: { summary: 'Log in to a registry', load: () => import('./commands/login.js') },
  logout: { summary: 'Forget the credentials for a registry', load: () => import('./commands/logout.js') },
  search: { summary: 'Look for images in a registry', load: () => import('./commands/search.js') },
  images: { summary: 'List images', load: () => import('./commands/images.js') },
  rmi: { summary: 'Remove one or more images', load: () => import('./commands/rmi.js') },
  tag: {
    summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: () => import('./commands/tag.js'),
  },
  inspect: { summary: 'Show all that is known of containers and images', load: () => import('./commands/inspect.js') },
  history: { summary: 'Show the history of an image', load: () => import('./commands/history.js') },
  load: { summary: 'Load images from an archive or a folder', load: () => import('./commands/load.js') },
  save: { summary: 'Save images to an archive', load: () => import('./commands/save.js') },
  import: { summary: 'Make an image of a root filesystem in a tar', load: () => import('./commands/import.js') },
  create: { summary: 'Create a new container, and do not start it', load: () => import('./commands/create.js') },
  start: { summary: 'Start one or more stopped containers', load: () => import('./commands/start.js') },
  stop: { summary: 'Stop one or more running containers', load: () => import('./commands/stop.js') },
  restart: { summary: 'Restart one or more containers', load: () => import('./commands/restart.js') },
  kill: {
    summary: 'Send a signal to one or more running containers',
    load: () => import('./commands/kill.js'),
  },
  wait: {
    summary: 'Wait until one or more containers stop, and print their exit codes',
    load: () => import('./commands/wait.js'),
  },
  logs: { summary: 'Show the output of a container', load: () => import('./commands/logs.js') },
  attach: {
    summary: "Join a running container's input, output and errors",
    load: () => import('./commands/attach.js'),
  },
  top: { summary: 'Show the running processes of a container', load: () => import('./commands/top.js') },
  port: { summary: 'List the published ports of a container', load: () => import('./commands/port.js') },
  pause: { summary: 'Stop all processes of containers where they are', load: () => import('./commands/pause.js') },
  unpause: { summary: 'Let paused containers go on', load: () => import('./commands/unpause.js') },
  stats: { summary: 'Show what containers use', load: () => import('./commands/stats.js') },
  update: { summary: 'Change limits of containers', load: () => import('./commands/update.js') },
  rename: { summary: 'Rename a container', load: () => import('./commands/rename.js') },
  cp: {
    summary: 'Copy files between a container and this machine',
    load: () => import('./commands/cp.js'),
  },
  diff: {
    summary: "Show what a container changed of its image's files",
    load: () => import('./commands/diff.js'),
  },
  export: { summary: "Write a container's file system as a tar", load: () => import('./commands/export.js') },
  commit: { summary: 'Make an image of the changes of a container', load: () => import('./commands/commit.js') },
  rm: { summary: 'Remove one or more containers', load: () => import('./commands/rm.js') },
  doctor: {
    summary: 'Show what this machine offers and how to mend what is missing',
    load: () => import('./commands/doctor.js'),
  },
  info: {
    summary: 'Show what is known of the store and of this machine',
    load: () => import('./commands/info.js'),
  },
  unshare: {
    summary: 'Run a command (a shell) as root of the id mapping, to look at files of mapped ids',
    load: () => import('./commands/unshare.js'),
  },
  version: { summary: 'Show the version of tsbox and what it runs on', load: () => import('./commands/version.js') },
  help: { summary: 'Help about a command', load: () => import('./commands/help.js') },
}

/** Commands of a group that are not also commands of their own. */
const fromHost: Entry = {
  summary: 'Make an image of programs of this machine and the libraries they need',
  load: () => import('./commands/from-host.js'),
}
const only = (kind: 'image' | 'container', summary: string): Entry => ({
  summary,
  load: async () => {
    const { containerCommand, imageCommand } = await import('./commands/inspect.js')
    return { command: kind === 'image' ? imageCommand : containerCommand }
  },
})
const containerPrune: Entry = {
  summary: 'Remove all stopped containers',
  load: () => import('./commands/container-prune.js'),
}
const prune: Entry = {
  summary: 'Remove unused images, stopped containers and the build cache',
  load: () => import('./commands/prune.js'),
}
const imageOnly: Readonly<Record<string, Entry>> = {
  copy: {
    summary: 'Copy an image between registries, archives and folders, without the store',
    load: () => import('./commands/image-copy.js'),
  },
  diff: {
    summary: 'Show how a second image differs from a first',
    load: () => import('./commands/image-diff.js'),
  },
  explore: {
    summary: 'Look through the layers and files of an image',
    load: () => import('./commands/image-explore.js'),
  },
  prune: { summary: 'Remove unused images', load: () => import('./commands/image-prune.js') },
  sign: {
    summary: 'Sign an image of a registry with a key',
    load: () => import('./commands/image-sign.js'),
  },
  verifySignature: {
    summary: 'Check that a key has signed an image of a registry',
    load: () => import('./commands/image-verify-signature.js'),
  },
  verify: {
    summary: 'Read every byte of images again and compare it with their digests',
    load: () => import('./commands/image-verify.js'),
  },
}
const manifests: Readonly<Record<string, Entry>> = {
  create: {
    summary: 'Create a list of images for several platforms',
    load: async () => ({ command: (await import('./commands/manifest.js')).create }),
  },
  add: {
    summary: 'Add images to a list',
    load: async () => ({ command: (await import('./commands/manifest.js')).add }),
  },
  annotate: {
    summary: 'Change what a list says of an image',
    load: async () => ({ command: (await import('./commands/manifest.js')).annotate }),
  },
  inspect: {
    summary: 'Show a list, or a manifest of a registry',
    load: async () => ({ command: (await import('./commands/manifest.js')).inspect }),
  },
  push: {
    summary: 'Upload a list, with the images that its repository has not',
    load: async () => ({ command: (await import('./commands/manifest.js')).push }),
  },
  rm: { summary: 'Remove lists', load: async () => ({ command: (await import('./commands/manifest.js')).rm }) },
}
const imagetools: Readonly<Record<string, Entry>> = {
  create: {
    summary: 'Make an index of images of registries and upload it',
    load: async () => ({ command: (await import('./commands/imagetools.js')).create }),
  },
  inspect: {
    summary: 'Show an image or index of a registry',
    load: async () => ({ command: (await import('./commands/imagetools.js')).inspect }),
  },
}
const df: Entry = {
  summary: 'Show how much room images, containers, volumes and the build cache take',
  load: () => import('./commands/system-df.js'),
}
const reset: Entry = {
  summary: 'Remove all that tsbox keeps: containers, images, volumes, caches',
  load: () => import('./commands/system-reset.js'),
}
const cache: Readonly<Record<string, Entry>> = {
  du: {
    summary: 'Show what the build cache holds and how large it is',
    load: () => import('./commands/builder-du.js'),
  },
  prune: { summary: 'Remove build cache', load: () => import('./commands/builder-prune.js') },
}
const volumes: Readonly<Record<string, Entry>> = {
  ls: { summary: 'List volumes', load: () => import('./commands/volume-ls.js') },
  rm: {
    summary: 'Remove one or more volumes with all that is in them',
    load: () => import('./commands/volume-rm.js'),
  },
}
const ops: Entry = {
  summary: 'Answer parse requests, one JSON line each',
  load: () => import('./commands/dockerfile-ops.js'),
  hidden: true,
}

/** Docker's management commands: a noun, then a verb. */
export interface Group {
  summary: string
  commands: Readonly<Record<string, Entry>>
  hidden?: true
}

export const groups: Readonly<Record<string, Group>> = {
  image: {
    summary: 'Manage images',
    commands: {
      build: commands.build!,
      copy: imageOnly.copy!,
      diff: imageOnly.diff!,
      explore: imageOnly.explore!,
      'from-host': fromHost,
      history: commands.history!,
      import: commands.import!,
      inspect: only('image', 'Show all that is known of images'),
      load: commands.load!,
      ls: commands.images!,
      list: { ...commands.images!, hidden: true },
      prune: imageOnly.prune!,
      pull: commands.pull!,
      push: commands.push!,
      rm: commands.rmi!,
      remove: { ...commands.rmi!, hidden: true },
      save: commands.save!,
      tag: commands.tag!,
      sign: imageOnly.sign!,
      verify: imageOnly.verify!,
      'verify-signature': imageOnly.verifySignature!,
    },
  },
  container: {
    summary: 'Manage containers',
    commands: {
      attach: commands.attach!,
      commit: commands.commit!,
      cp: commands.cp!,
      create: commands.create!,
      diff: commands.diff!,
      exec: commands.exec!,
      export: commands.export!,
      inspect: only('container', 'Show all that is known of containers'),
      kill: commands.kill!,
      logs: commands.logs!,
      ls: commands.ps!,
      list: { ...commands.ps!, hidden: true },
      ps: { ...commands.ps!, hidden: true },
      pause: commands.pause!,
      port: commands.port!,
      prune: containerPrune,
      rename: commands.rename!,
      restart: commands.restart!,
      rm: commands.rm!,
      remove: { ...commands.rm!, hidden: true },
      run: commands.run!,
      start: commands.start!,
      stats: commands.stats!,
      stop: commands.stop!,
      top: commands.top!,
      unpause: commands.unpause!,
      update: commands.update!,
      wait: commands.wait!,
    },
  },
  volume: {
    summary: 'Manage volumes',
    commands: {
      ...volumes,
      list: { ...volumes.ls!, hidden: true },
      remove: { ...volumes.rm!, hidden: true },
    },
  },
  builder: { summary: 'Manage builds and their cache', commands: { build: commands.build!, ...cache } },
  buildx: { summary: 'Manage builds and their cache', commands: { build: commands.build!, ...cache }, hidden: true },
  manifest: { summary: 'Manage lists of images for several platforms', commands: manifests },
  imagetools: { summary: 'Look at and combine images of registries', commands: imagetools },
  system: { summary: 'Manage tsbox', commands: { df, info: commands.info!, prune, reset } },
  dockerfile: { summary: 'Tools for Dockerfiles', commands: { ops }, hidden: true },
}
