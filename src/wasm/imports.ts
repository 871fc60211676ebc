/** What a module wants beyond preview1, in words for the person who built it. */
export interface UnmetImports {
  /** `module.name` of the first few, and how many more. */
  list: string
  /** What it means and how to build the program instead. */
  hint: string
}

/** All functions of WASI preview1, the only module that is given. */
const PREVIEW1 = new Set(
  [
    'args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get fd_advise fd_allocate fd_close',
    'fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size',
    'fd_filestat_set_times fd_pread fd_prestat_dir_name fd_prestat_get fd_pwrite fd_read fd_readdir fd_renumber fd_seek',
    'fd_sync fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link path_open',
    'path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_exit proc_raise',
    'random_get sched_yield sock_accept sock_recv sock_send sock_shutdown',
  ].flatMap((line) => line.split(' ')),
)

type Import = WebAssembly.ImportDescriptor

/** Signs of what built the module, most telling first. */
const ORIGINS: readonly [matches: (i: Import) => boolean, hint: string][] = [
  [
    (i) => i.name === 'thread-spawn' || i.kind === 'memory',
    'it was built with threads; build it for wasm32-wasip1 without them',
  ],
  [
    (i) => i.module === 'gojs' || i.module === 'go',
    'it was built for GOOS=js, which needs a browser; build it with GOOS=wasip1 GOARCH=wasm',
  ],
  [
    (i) => i.module === 'wbg' || i.module.startsWith('__wbindgen'),
    'it was built with wasm-bindgen for a browser; build it for the target wasm32-wasip1',
  ],
  [
    (i) => /^wasix/.test(i.module),
    'it was built for WASIX, which has sockets and processes; build it for wasm32-wasip1',
  ],
  [
    (i) => i.module === 'wasi_unstable',
    'it was built for the first draft of WASI; rebuild it with a toolchain of 2020 or later',
  ],
  [(i) => /^wasi:|\//.test(i.module), 'it belongs in a component (WASI 0.2); build it for wasm32-wasip1'],
  [
    (i) => i.module === 'a' || /^(emscripten|__syscall|__cxa_|invoke_|_emscripten)/.test(i.name),
    'it was built with Emscripten for a browser; build it with wasi-sdk, or with -sSTANDALONE_WASM',
  ],
]

const SHOWN = 5

/** What is missing; undefined where everything wanted is there. */
export function unmetImports(imports: readonly Import[]): UnmetImports | undefined {
  const unmet = imports.filter(
    (i) => i.module !== 'wasi_snapshot_preview1' || i.kind !== 'function' || !PREVIEW1.has(i.name),
  )
  if (unmet.length === 0) return undefined
  const names = unmet.slice(0, SHOWN).map((i) => `"${i.module}.${i.name}"`)
  if (unmet.length > SHOWN) names.push(`and ${unmet.length - SHOWN} more`)
  const hint =
    ORIGINS.find(([matches]) => unmet.some(matches))?.[1] ?? 'build it for wasm32-wasip1 without other imports'
  return { list: names.join(', '), hint }
}
