// What stands under deploy/, rendered or as files.

import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readYaml } from '../../src/cli/yaml.ts'
import type { Tree } from './pods.ts'
import { repository } from './process.ts'

/** Every kustomization that renders by itself, by the name of its golden file. */
export const variants: Readonly<Record<string, string>> = {
  base: 'deploy/base',
  intel: 'deploy/overlays/intel',
  aks: 'deploy/overlays/aks',
  nri: 'deploy/overlays/nri',
  plain: 'deploy/overlays/plain',
  everything: 'deploy/overlays/everything',
  network: 'deploy/network',
  provision: 'deploy/overlays/provision',
  'provision-aks': 'deploy/overlays/provision-aks',
  'provision-nri': 'deploy/overlays/provision-nri',
  'provision-sealed': 'deploy/overlays/provision-sealed',
  'knative-compatible': 'test/deploy/knative-compatible',
  'knative-confidential': 'test/deploy/knative-confidential',
}

const found = (command: string, args: readonly string[]): boolean => spawnSync(command, args).status === 0

/** Why nothing is rendered; false where kubectl is installed. */
export const kubectlMissing =
  !found('kubectl', ['kustomize', '--help']) && 'SKIPPED: kubectl is not installed, so no kustomization is rendered'

/** Why no chart is rendered; false where Helm is installed. */
export const helmMissing = !found('helm', ['version']) && 'SKIPPED: helm is not installed, so the chart is not rendered'

/** Why nothing is validated; false where kubectl-validate is installed. */
export const validatorMissing =
  !found('kubectl-validate', ['--help']) && 'SKIPPED: kubectl-validate is not installed, so no schema is consulted'

/** @throws Error with what the command said */
export function output(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: repository, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}${stdout}`)
  return stdout
}

export const objects = (text: string): Tree[] => readYaml(Buffer.from(text), 'rendered') as Tree[]

export const readObjects = (path: string): Tree[] => objects(readFileSync(join(repository, path), 'utf8'))

/** Paths of files below deploy/, the chart's templates aside, which are not YAML before they are rendered. */
export const deployFiles = (): string[] =>
  globSync('deploy/**/*.{yaml,json}', { cwd: repository })
    .filter(path => !path.includes('/templates/'))
    .sort()

export const golden = (name: string): string => `test/deploy/golden/${name}.yaml`

export const pick = (list: readonly Tree[], kind: string, name?: string): Tree =>
  list.find(each => each.kind === kind && (name === undefined || each.metadata.name.startsWith(name)))
