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
  build: { summary: 'Build an image from a Dockerfile', load: () => import('./commands/build.js') },
  images: { summary: 'List images', load: () => import('./commands/images.js') },
  rmi: { summary: 'Remove one or more images', load: () => import('./commands/rmi.js') },
  tag: {
    summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: () => import('./commands/tag.js'),
  },
  inspect: { summary: 'Show all that is known of images', load: () => import('./commands/inspect.js') },
  history: { summary: 'Show the history of an image', load: () => import('./commands/history.js') },
  load: { summary: 'Load images from an archive or a folder', load: () => import('./commands/load.js') },
  save: { summary: 'Save images to an archive', load: () => import('./commands/save.js') },
  import: { summary: 'Make an image of a root filesystem in a tar', load: () => import('./commands/import.js') },
  ps: { summary: 'List containers', load: () => import('./commands/ps.js') },
  rm: { summary: 'Remove one or more containers', load: () => import('./commands/rm.js') },
  doctor: {
    summary: 'Show what this machine offers and how to mend what is missing',
    load: () => import('./commands/doctor.js'),
  },
  version: { summary: 'Show the version of tsbox and what it runs on', load: () => import('./commands/version.js') },
  help: { summary: 'Help about a command', load: () => import('./commands/help.js') },
}

/** Commands of a group that are not also commands of their own. */
const fromHost: Entry = {
  summary: 'Make an image of programs of this machine and the libraries they need',
  load: () => import('./commands/from-host.js'),
}
const prune: Entry = {
  summary: 'Remove unused images, stopped containers and the build cache',
  load: () => import('./commands/prune.js'),
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
      'from-host': fromHost,
      history: commands.history!,
      import: commands.import!,
      inspect: commands.inspect!,
      load: commands.load!,
      ls: commands.images!,
      list: { ...commands.images!, hidden: true },
      rm: commands.rmi!,
      remove: { ...commands.rmi!, hidden: true },
      save: commands.save!,
      tag: commands.tag!,
    },
  },
  container: {
    summary: 'Manage containers',
    commands: {
      ls: commands.ps!,
      list: { ...commands.ps!, hidden: true },
      ps: { ...commands.ps!, hidden: true },
      rm: commands.rm!,
      remove: { ...commands.rm!, hidden: true },
      run: commands.run!,
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
  system: { summary: 'Manage tsbox', commands: { prune } },
  dockerfile: { summary: 'Tools for Dockerfiles', commands: { ops }, hidden: true },
}
