// The one file of each enclave, dist/enclave.js from src/enclave.ts and what it imports, and that of the attesting CA. The
// same sources give the same bytes, wherever they lie. A bundle that breaks a rule or outgrows the budget is not written.
//
//   node build/bundle.ts

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'
import { builtAfter } from '../src/version.ts'
import { type Bundle, type Input, overBudget, total } from './budget.ts'
import { broken } from './rules.ts'

export interface BundleOptions {
  /** The tree, absolute. */
  readonly root: string
  /** The first file, below the root. */
  readonly entry?: string
}

/**
 * The bundle's text, and what is in it.
 * @throws Error where a file cannot be found or read; esbuild has then said which
 */
export async function bundle({ root, entry = 'src/enclave.ts' }: BundleOptions): Promise<Bundle> {
  const later: Input[] = []
  const { outputFiles, metafile } = await build({
    ...common,
    absWorkingDir: root,
    entryPoints: [entry],
    // Only built-in modules can be had, whoever asks: no file but this one is ever run. It also makes no difference
    // whether Node takes the file for CommonJS or for a module.
    banner: { js: '"use strict";var require=process.getBuiltinModule;' },
    plugins: [withVersion(root), whenNeeded(root, later)],
  })
  const [file] = outputFiles
  if (!file) throw new Error('esbuild gave nothing')
  const inputs = [...inputsOf(metafile).filter(({ path }) => !path.startsWith('when-needed:')), ...later]
  return { text: file.text, inputs: inputs.sort((a, b) => (a.path < b.path ? -1 : 1)) }
}

const common = {
  bundle: true,
  write: false,
  metafile: true,
  outfile: 'enclave.js',
  platform: 'node',
  target: 'node24',
  // Built-in modules are then asked for when they are needed, and not all of them at the start.
  format: 'cjs',
  // Our own names stay, for stacks.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
} as const

/** The files that gave bytes to a bundle, and how many. */
function inputsOf({ outputs }: Metafile): Input[] {
  return Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }))
    .filter(({ bytes }) => bytes > 0)
}

/** The version of this tree and the date before which it was not, written in. */
function withVersion(root: string): Plugin {
  return {
    name: 'version',
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/version\.ts$/ }, () => {
        const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
        const since = Math.max(builtAfter(), Number(process.env['SOURCE_DATE_EPOCH'] ?? 0) * 1000)
        if (!Number.isSafeInteger(since)) throw new Error('SOURCE_DATE_EPOCH: want whole seconds since 1970')
        const values = { version: JSON.stringify(version), builtAfter: since }
        const contents = Object.entries(values).map(([name, value]) => `export const ${name} = () => ${value}`)
        return { contents: contents.join('\n') }
      })
    },
  }
}

/**
 * A package that is loaded when it is needed becomes one function: until then V8 only skims it. Side by side with
 * everything else its declarations would be made at the start, and kept. What only it holds may have short names.
 */
function whenNeeded(root: string, inputs: Input[]): Plugin {
  return {
    name: 'when needed',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^[^.]/ }, async ({ path, kind, resolveDir, pluginData }) => {
        if (kind !== 'dynamic-import' || pluginData === 'found') return undefined
        const { errors, path: file } = await resolve(path, { kind, resolveDir, pluginData: 'found' })
        // Its name is written into the bundle.
        return errors.length > 0 ? { errors } : { path: relative(root, file), namespace: 'when-needed' }
      })
      onLoad({ filter: /.*/, namespace: 'when-needed' }, async ({ path }) => {
        const { outputFiles, metafile } = await build({
          ...common,
          absWorkingDir: root,
          entryPoints: [path],
          minifyIdentifiers: true,
        })
        inputs.push(...inputsOf(metafile))
        return { contents: outputFiles[0]?.text ?? '', loader: 'js' }
      })
    },
  }
}

/** What the bundle consists of, largest first: our rooms, and packages. */
export function describeBundle(made: Bundle): string {
  const parts = new Map<string, number>()
  for (const { path, bytes } of made.inputs) {
    const name =
      /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(path)?.[1] ?? /^[^/]+\/[^/]+/.exec(path)?.[0] ?? path
    parts.set(name, (parts.get(name) ?? 0) + bytes)
  }
  const rows = [...parts].sort(([, a], [, b]) => b - a).map(([name, bytes]) => `${String(bytes).padStart(9)}  ${name}`)
  return [...rows, `${String(total(made)).padStart(9)}  in all, from ${made.inputs.length} files`, ''].join('\n')
}

/** An enclave's first file, and the file that it becomes. */
const enclaves = [
  { entry: 'src/enclave.ts', name: 'enclave.js' },
  { entry: 'src/enclave-provision.ts', name: 'enclave-provision.js' },
] as const

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  for (const { entry, name } of enclaves) {
    const made = await bundle({ root, entry })
    process.stdout.write(`dist/${name}\n${describeBundle(made)}`)
    const complaints = [...broken(made), ...overBudget(made)]
    for (const each of complaints) process.stderr.write(`dist/${name}: ${each}\n`)
    if (complaints.length > 0) process.exit(1)
    const file = join(root, 'dist', name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, made.text)
  }
}
