// How each kind of node gives a container its enclave: resources of a device plugin, or annotations where there is none.
// A hostPath mount of /dev/sgx_enclave is not among them: without privilege the container's device cgroup refuses it.
//
// Sources: intel-device-plugins-for-kubernetes, cmd/sgx_plugin; Azure, "Confidential computing plugin for confidential
// VMs" (sgx.intel.com/epc; before, kubernetes.azure.com/sgx_epc_mem_in_MiB); containerd/nri, plugins/device-injector.

import type { JsonObject } from '../base/json.ts'
import { mebibytes, quantity } from '../base/quantity.ts'
import type { InjectOptions, Platform } from '../config/inject-shape.ts'

export type Pairs = readonly (readonly [name: string, value: string])[]

interface Row {
  /** Extended resources, whose request is their limit. */
  readonly limits: (epc: bigint) => Pairs
  /** Annotations of the pod that give this container its devices. */
  readonly devices: (container: string, options: InjectOptions) => Pairs
  /** Annotations that mount the AESM socket's folder; none where a hostPath volume does. */
  readonly socket: (container: string, folder: string, options: InjectOptions) => Pairs
}

const none = (): Pairs => []
const prefixOf = ({ nri }: InjectOptions): string => nri?.prefix ?? 'noderesource.dev'

/** By name. The plugins give /dev/sgx_enclave; nobody gets /dev/sgx_provision, since quotes are made out of process. */
export const table = {
  intel: {
    limits: epc => [
      ['sgx.intel.com/enclave', '1'],
      ['sgx.intel.com/epc', quantity(epc)],
    ],
    devices: none,
    socket: none,
  },
  aks: { limits: epc => [['sgx.intel.com/epc', quantity(epc)]], devices: none, socket: none },
  'aks-legacy': {
    limits: epc => [['kubernetes.azure.com/sgx_epc_mem_in_MiB', String(mebibytes(epc))]],
    devices: none,
    socket: none,
  },
  nri: {
    limits: none,
    devices: (container, options) => [
      [
        `devices.${prefixOf(options)}/container.${container}`,
        JSON.stringify(
          (options.nri?.devices ?? []).map(({ path, major, minor }) => ({ path, type: 'c', major, minor })),
        ),
      ],
    ],
    socket: (container, folder, options) => [
      [
        `mounts.${prefixOf(options)}/container.${container}`,
        JSON.stringify([{ source: folder, destination: socketFolder, type: 'bind', options: ['bind', 'ro'] }]),
      ],
    ],
  },
  none: { limits: none, devices: none, socket: none },
} as const satisfies Record<Platform, Row>

/**
 * What the device-injector does as annotations say, of any pod: as key, `key/pod` or `key/container.NAME`, under today's domain
 * and the one before. (containerd/nri, plugins/device-injector/README.md)
 */
const obeyed =
  /^(?:devices|cdi-devices|mounts|network-devices|sysctl|memory-policy|scheduling-policy|io-priority)\.(?:noderesource\.dev|nri\.io)(?:\/|$)/

/**
 * Devices and mounts of the node are the operator's alone, on every platform: the plugin may run beside another one.
 * @param own what the injector sets in this pod
 * @returns a sentence for each annotation that the device-injector would obey and that is not exactly one of these
 */
export function foreignAnnotations(annotations: JsonObject, own: Pairs): readonly string[] {
  const ours = new Map(own)
  return Object.entries(annotations)
    .filter(([key, value]) => obeyed.test(key) && ours.get(key) !== value)
    .map(([key]) => `annotation ${key}: the operator's alone; take it out of the pod's template`)
}

/** Where Gramine and Intel's libraries look for aesm.socket, whatever the node calls the folder. */
export const socketFolder = '/var/run/aesmd'
