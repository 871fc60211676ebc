// What differs on purpose; docs/buildah.md lists it too. `at` matches lines that the comparison prints. Of a case, each
// pattern must match one, or the difference is gone and its line here should go, too.

/** Of every image. */
export const EVERYWHERE = [
  {
    reason: 'buildah leaves the file on which it mounts a hostname for RUN',
    at: [/^\/etc\/hostname: tsbox absent \| buildah file 755 0:0 e3b0c44298fc1c14$/],
  },
]

const MODES = 'buildah takes setuid, setgid and sticky from files and folders of the context; BuildKit keeps modes'
const NO_WORKDIR = 'buildah makes a WORKDIR when a later step uses it; the reference: even if no instruction does'

/** By case. */
export const DELIBERATE = {
  'add-archive-chown': {
    reason: 'folders that the archive does not list are root’s in BuildKit; --chown is for what is not unpacked',
    at: [/^\/owned\/alone: .*0:0 \| .*1000:1001$/, /^\/owned\/alone\/in: .*0:0 \| .*1000:1001$/],
  },
  'arg-over-env': {
    reason: 'in BuildKit the later one of ENV and ARG is what the steps after it see',
    at: [/^config Labels: tsbox \{"a":"arg","b":"env"\}/, /^\/who: /],
  },
  'copy-all': { reason: MODES, at: [/setgid/, /setuid/, /shared: .*2775.*775/] },
  'copy-modes': { reason: MODES, at: [/^\/alone/, /setgid/, /setuid/, /shared: .*2775.*775/] },
  'copy-bracket-name': {
    reason: 'buildah takes names that a wildcard found for patterns once more',
    at: [/^buildah fails: .*matched nothing/],
  },
  'copy-target-is-file-link': {
    reason: 'BuildKit follows links of the destination inside the image, also the last one; buildah replaces that',
    at: [/^\/etc\/alias: tsbox symlink/, /^\/etc\/passwd: /],
  },
  expose: {
    reason: 'a range of ports is each port of it, as in docker',
    at: [/^config ExposedPorts: tsbox .*"7001\/tcp".* \| buildah .*"7000-7002\/tcp"/],
  },
  'ignore-except': { reason: MODES, at: [/setuid/] },
  'ignore-hidden': { reason: MODES, at: [/setgid/, /setuid/, /shared: .*2775.*775/] },
  'ignore-names': { reason: MODES, at: [/setgid/, /setuid/, /shared: .*2775.*775/] },
  'onbuild-used': {
    reason: 'buildah makes the folder of a VOLUME before RUN; BuildKit leaves that to whoever runs the image',
    at: [/^\/v: tsbox absent \| buildah directory/],
  },
  shell: {
    reason: 'SHELL is for CMD and ENTRYPOINT too, says the reference',
    at: [/^config Cmd: /, /^config Entrypoint: /],
  },
  'volume-then-run': {
    reason:
      'what RUN changes below a VOLUME is kept by BuildKit, says the reference; buildah drops it as the old builder',
    at: [/^\/srv\/data\/later: tsbox file .* \| buildah absent$/],
  },
  workdir: { reason: NO_WORKDIR, at: [/^\/srv\/data\/nested: .* \| buildah absent$/] },
  'workdir-slash': { reason: NO_WORKDIR, at: [/^\/opt\/trailing: .* \| buildah absent$/] },
  'workdir-user': { reason: NO_WORKDIR, at: [/^\/home\/app\/work: tsbox .*1000:1001 \| buildah absent$/] },
}
