import { arch } from 'node:process'
import { TsboxError } from '../base/error.js'
import type { ProgressSink } from '../build/progress/event.js'
import type { Layer, StepExecutor } from '../build/seams.js'
import type { Registry } from '../registry/registry.js'
import type { AgentApi } from '../rootless/agent.js'
import type { IdEmulation, IdMode } from '../rootless/plan.js'
import type { Lease } from '../store/lease.js'
import { Store } from '../store/store.js'
import { storeRoot } from '../util/store-root.js'
import { AgentProvider } from './agent-provider.js'
import type {
  BuilderEngine,
  BuildOutcome,
  BuildRequest,
  ContainerEngine,
  DockerfileEngine,
  DoctorReport,
  Engine,
  EngineOptions,
  ImageEngine,
  ManifestListEngine,
  RegistryEngine,
  RunOutcome,
  RunRequest,
  SystemEngine,
  VerifyOutcome,
  VolumeEngine,
} from './api.js'
import type { BuildDeps } from './build/build-engine.js'
import { besideBundle, helperPath } from './helper.js'
import type { ImageDeps } from './images/deps.js'
import { NodeImages } from './images/node-images.js'
import type { StoredImage } from './images/stored-image.js'
import type { NodeLayers } from './layers/node-layers.js'
import type { Workshop } from './layers/workshop.js'
import type { RegistryDeps } from './registry/deps.js'
import { mappedRequest } from './run/keep-id.js'
import type { StartDeps } from './run/start-container.js'

/** Go's names of the machines that Node runs on. */
const ARCHITECTURES: Record<string, string> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: '386',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
}

/** One container, and what copies files into its volumes. */
const RUN_LANES = 4

/** Opens the engine on a store; nothing is started or written until something is asked for. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  return new NodeEngine(options)
}

class NodeEngine implements Engine {
  readonly #env: EngineOptions['env']
  readonly #warn: (message: string) => void
  readonly #store: Store
  readonly #lease: Lease
  /** Why the store is not at its usual place. */
  readonly #instead: string | undefined
  readonly #agents = new Map<string, AgentProvider>()
  /** Helpers in user namespaces of other containers. */
  readonly #joined: AgentApi[] = []
  #images: NodeImages | undefined
  #registry: Promise<Registry> | undefined

  constructor(options: EngineOptions) {
    this.#env = options.env
    this.#warn = options.warn ?? (() => {})
    const { path, instead } = storeRoot({ root: options.root, env: options.env, cwd: process.cwd() })
    this.#store = Store.open(path)
    this.#instead = instead
    this.#lease = this.#store.lease()
  }

  async build(request: BuildRequest, progress: ProgressSink): Promise<BuildOutcome> {
    const { runBuild } = await import('./build/build-engine.js')
    return runBuild(await this.#buildDeps(request), request, progress)
  }

  async verify(request: BuildRequest, progress: ProgressSink): Promise<VerifyOutcome> {
    const { runBuild } = await import('./build/build-engine.js')
    const { verifyBuild } = await import('./build/verify.js')
    return verifyBuild(await this.#buildDeps(request), request, progress, runBuild)
  }

  async #buildDeps({ userns, emulation }: BuildRequest): Promise<BuildDeps> {
    const { NodeLayers } = await import('./layers/node-layers.js')
    const shop = this.#shop(userns, emulation)
    const layers = new NodeLayers(shop)
    const executors = (backend: BuildRequest['backend']) => this.#executors(shop, layers, backend, userns)
    const registries = this.#registryDeps()
    return { shop, layers, executors, env: this.#env, hostPlatform: hostPlatform(), registries }
  }

  async #executors(
    shop: Workshop,
    layers: NodeLayers,
    backend: BuildRequest['backend'],
    userns: BuildRequest['userns'],
  ): Promise<StepExecutor[]> {
    const { NamespaceExecutor } = await import('./build/namespace-executor.js')
    const { createShellExecutor, createWasiExecutor } = await import('./wasi/executor.js')
    const options = {
      workerFile: besideBundle('wasi-worker.cjs', this.#env),
      writer: () => layers.writer(),
      layerFiles: (stack: readonly Layer[]) => layers.tarFiles(stack),
    }
    const wasi = createWasiExecutor(options)
    if (backend === 'wasi') return [wasi, createShellExecutor(options)]
    let missing: TsboxError | undefined
    const usable = async () => {
      missing = await this.#provider(userns).missing()
      return missing === undefined
    }
    if (backend === 'namespace') return [new NamespaceExecutor(shop, layers)]
    return [wasi, new NamespaceExecutor(shop, layers, usable), createShellExecutor(options, () => missing)]
  }

  async run(asked: RunRequest): Promise<RunOutcome> {
    const request = mappedRequest(asked)
    // The helper starts while this process finds the image; whoever needs it first hears of its failure.
    this.#provider(request.userns)
      .agent(RUN_LANES)
      .catch(() => {})
    const { ContainerRunner } = await import('./run/run-container.js')
    const { NodeLayers } = await import('./layers/node-layers.js')
    const shop = this.#shop(request.userns)
    const image = await this.#imageFor(request)
    return new ContainerRunner(this.#startDeps(shop, new NodeLayers(shop))).run(request, image)
  }

  get images(): ImageEngine {
    this.#images ??= new NodeImages(this.#imageDeps())
    return this.#images
  }

  get dockerfile(): DockerfileEngine {
    const open = async () => {
      const { NodeDockerfiles } = await import('./build/node-dockerfiles.js')
      const { NodeLayers } = await import('./layers/node-layers.js')
      const shop = this.#shop('auto')
      return new NodeDockerfiles({ shop, layers: new NodeLayers(shop), env: this.#env }, hostPlatform())
    }
    return {
      check: async (request) => (await open()).check(request),
      outline: async (request) => (await open()).outline(request),
      targets: async (request) => (await open()).targets(request),
    }
  }

  get containers(): ContainerEngine {
    return lazily(() => this.#nodeContainers())
  }

  get volumes(): VolumeEngine {
    const volumes = async () => new (await import('./volumes/node-volumes.js')).NodeVolumes(this.#imageDeps())
    return {
      list: async () => (await volumes()).list(),
      remove: async (names, options) => (await volumes()).remove(names, options),
    }
  }

  get system(): SystemEngine {
    return {
      prune: async (options) => {
        const { NodeSystem } = await import('./system/node-system.js')
        return new NodeSystem(this.#imageDeps()).prune(options)
      },
      usage: async () => {
        const { NodeSystem } = await import('./system/node-system.js')
        return new NodeSystem(this.#imageDeps()).usage()
      },
      reset: async () => (await import('./system/reset.js')).resetStore(this.#imageDeps()),
      info: async () => (await import('./system/info.js')).systemInfo(this.#imageDeps()),
      unshare: async (request) => (await import('./system/unshare.js')).unshare(this.#env, request),
    }
  }

  get builder(): BuilderEngine {
    const open = async () => new (await import('./builder/node-builder.js')).NodeBuilder(this.#imageDeps())
    return {
      usage: async (filter) => (await open()).usage(filter),
      prune: async (request) => (await open()).prune(request),
    }
  }

  get manifests(): ManifestListEngine {
    return lazily(
      async () => new (await import('./manifest-list/node-manifest-lists.js')).NodeManifestLists(this.#registryDeps()),
    )
  }

  get registry(): RegistryEngine {
    const open = async () => new (await import('./registry/node-registry.js')).NodeRegistry(this.#registryDeps())
    return {
      pull: async (request, progress) => (await open()).pull(request, progress),
      push: async (request, progress) => (await open()).push(request, progress),
      login: async (request) => (await open()).login(request),
      logout: async (registry) => (await open()).logout(registry),
      storedUser: async (registry) => (await open()).storedUser(registry),
      copy: async (request, progress) => (await open()).copy(request, progress),
      sign: async (request) => (await open()).sign(request),
      verifySignature: async (request) => (await open()).verifySignature(request),
      search: async (term, limit, signal) => (await open()).search(term, limit, signal),
    }
  }

  /** The image of a container: of the store, else pulled. */
  async #imageFor({ image, pull, signal }: RunRequest): Promise<StoredImage> {
    const { openImage } = await import('./images/stored-image.js')
    const when = pull?.when ?? 'missing'
    try {
      if (when !== 'always') return openImage(this.#store, this.#lease, image)
    } catch (err) {
      if (when === 'never' || !(err instanceof TsboxError) || err.code !== 'E_IMAGE_NOT_FOUND') throw err
    }
    const { openOrPull } = await import('./registry/open-or-pull.js')
    const { platformOf } = await import('./registry/node-registry.js')
    const { stepper } = await import('./registry/steps.js')
    const deps = this.#registryDeps()
    const want = { when, ...platformOf(deps, undefined) }
    const found = await openOrPull(deps, image, want, stepper(pull?.progress ?? (() => {})), signal)
    await pull?.done?.()
    return found
  }

  #registryDeps(): RegistryDeps {
    const { store, lease, platform, env, now } = this.#imageDeps()
    return {
      ...{ store, lease, platform, env, now },
      registry: () => {
        this.#registry ??= import('../registry/registry.js').then(({ Registry }) => Registry.open({ env }))
        return this.#registry
      },
      packing: async () => {
        const { NodeLayers } = await import('./layers/node-layers.js')
        const shop = this.#shop('auto')
        return { shop, layers: new NodeLayers(shop), env }
      },
    }
  }

  async #nodeContainers(): Promise<ContainerEngine> {
    const { NodeContainerEngine } = await import('./containers/container-engine.js')
    return new NodeContainerEngine({
      ...this.#imageDeps(),
      helper: () => helperPath(this.#env),
      create: async (asked) => {
        const request = mappedRequest(asked)
        const { createContainer } = await import('./run/create-container.js')
        const { NodeLayers } = await import('./layers/node-layers.js')
        const shop = this.#shop(request.userns)
        const image = await this.#imageFor(request)
        const deps = { shop, layers: new NodeLayers(shop), env: this.#env }
        const { id } = await createContainer(deps, request, image)
        return id
      },
      startDeps: async ({ mode, userns }) => {
        const { NodeLayers } = await import('./layers/node-layers.js')
        const usual = this.#shop(userns ?? 'auto')
        const shop = (await usual.mode()) === mode ? usual : this.#shop(mode)
        return this.#startDeps(shop, new NodeLayers(shop))
      },
    })
  }

  #startDeps(shop: Workshop, layers: NodeLayers): StartDeps {
    const joined = async (pid: number, mode: IdMode) => {
      const { Agent } = await import('../rootless/agent.js')
      const maps = { method: 'join', pid, mode } as const
      const agent = await Agent.start({ helperPath: helperPath(this.#env), mode, maps, lanes: RUN_LANES })
      this.#joined.push(agent)
      return agent
    }
    return { shop, layers, env: this.#env, joined }
  }

  async doctor(): Promise<DoctorReport> {
    const { examine } = await import('./doctor.js')
    return examine(this.#store, this.#lease, { env: this.#env, instead: this.#instead })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values(), ...this.#joined].map((a) => a.close()))
    this.#registry?.then(
      (r) => r.close(),
      () => {},
    )
    this.#lease.close()
  }

  #imageDeps(): ImageDeps {
    const shop = this.#shop('auto')
    return {
      store: this.#store,
      lease: this.#lease,
      shop,
      platform: hostPlatform(),
      env: this.#env,
      now: shop.now,
      openTar: (diffID) => openTar(shop, diffID),
      removeTrees: async (paths) => (await shop.agent()).remove(paths),
    }
  }

  #provider(userns: 'auto' | 'subid' | 'single' | 'host' | 'host'): AgentProvider {
    let provider = this.#agents.get(userns)
    if (!provider) {
      provider = new AgentProvider(this.#store, this.#lease, this.#env, userns)
      this.#agents.set(userns, provider)
    }
    return provider
  }

  #shop(userns: 'auto' | 'subid' | 'single' | 'host', emulation?: IdEmulation): Workshop {
    const provider = this.#provider(userns)
    return {
      emulation,
      warn: this.#warn,
      store: this.#store,
      lease: this.#lease,
      mode: () => provider.mode(),
      agent: () => provider.agent(),
      agentFor: async (mode) => ((await provider.mode()) === mode ? provider : this.#provider(mode)).agent(),
      now: () => Math.floor(Date.now() / 1000),
    }
  }
}

/** An interface whose methods all load what does them when they are called. */
function lazily<T extends object>(open: () => Promise<T>): T {
  return new Proxy({} as T, {
    get:
      (_, name) =>
      async (...args: unknown[]) => {
        const engine = await open()
        return (engine[name as keyof T] as (...args: unknown[]) => unknown).apply(engine, args)
      },
  })
}

async function* openTar(shop: Workshop, diffID: string): AsyncGenerator<Uint8Array> {
  const { NodeLayers } = await import('./layers/node-layers.js')
  yield* new NodeLayers(shop).openTar(diffID)
}

function hostPlatform(): { os: string; architecture: string } {
  return { os: 'linux', architecture: ARCHITECTURES[arch] ?? arch }
}
