// The injector's options: every key, its meaning, its default. The one source of their type, their reader, the published
// JSON Schema and that of the chart's values. The operator of the cluster writes them; a service moves within their bounds
// by annotation. Nothing here is trusted by an enclave: a wrong value costs a start, never a secret.

import { bytesOf } from '../base/quantity.ts'
import {
  array,
  defaulted,
  described,
  flag,
  type Infer,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  parsed,
  text,
} from './shape.ts'

/** Every way in which a node gives a container its enclave device. */
export const platforms = ['intel', 'aks', 'aks-legacy', 'nri', 'none'] as const
export type Platform = (typeof platforms)[number]

const memory = parsed({
  pattern: /^[0-9]{1,15}(?:Ki|Mi|Gi|k|M|G)?$/,
  want: 'a quantity of memory such as 512Mi',
  as: bytesOf,
})

const bounded = (what: string, least: string, normal: string, most: string) =>
  described(
    `${what}: what a service gets, and between which bounds its annotation moves it`,
    defaulted(
      object({
        least: defaulted(memory, least),
        default: defaulted(memory, normal),
        most: defaulted(memory, most),
      }),
      {},
    ),
  )

const name = text(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, 'a name of lower-case letters, digits, hyphens and dots')
// Below folders of our own: a mount must not hide what runs.
const mountPath = text(
  /^\/(?:etc|var\/lib|var\/run)\/postern(?:\/[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)*$/,
  'a folder below /etc/postern, /var/lib/postern or /var/run/postern',
)
const hostPath = text(/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/, 'an absolute path without . and ..')

const device = object({
  path: text(/^\/dev\/sgx[A-Za-z0-9_/-]*$/, 'an SGX device such as /dev/sgx_enclave'),
  major: integer(0, 4095),
  minor: integer(0, 1_048_575),
})

const image = text(/^[a-z0-9][A-Za-z0-9._:/@-]{0,511}$/, 'an image, by digest where it is an enclave')
const argument = text(/^[\x20-\x7e]{1,512}$/, 'an argument in ASCII')
const cpu = text(/^[0-9]{1,6}m?$/, 'a quantity of CPU such as 100m')
const counted = (what: string, least: number, normal: number, most: number, highest: number) =>
  described(
    what,
    defaulted(
      object({
        least: defaulted(integer(0, highest), least),
        default: defaulted(integer(0, highest), normal),
        most: defaulted(integer(0, highest), most),
      }),
      {},
    ),
  )

const sidecarShape = object({
  image: described('No pod chooses another', image),
  pullPolicy: optional(oneOf('Always', 'IfNotPresent', 'Never')),
  command: described(
    "Instead of the image's own, for an image whose policy is not measured into an enclave",
    optional(array(argument)),
  ),
  cpu: described('CPU requested', defaulted(cpu, '100m')),
  concurrency: counted(
    'Requests in the container at once; 0 is unlimited, a least of 1 forbids it',
    0,
    0,
    1000,
    100_000,
  ),
  timeoutSeconds: counted('Longest time of a request', 1, 300, 600, 86_400),
  certificates: described(
    "A Secret of the namespace with tls.crt and tls.key for 8112, where the proxy's policy says identity.source files",
    optional(name),
  ),
  metrics: described('Whether 9091 is asked for: request metrics for Prometheus', defaulted(flag, true)),
  requestLog: described('Whether a request log is asked for', defaulted(flag, false)),
})

export type SidecarOptions = Infer<typeof sidecarShape>

export const injectShape = object({
  version: oneOf(1),
  platform: described(
    'intel: the SGX device plugin; aks: the confcom add-on; aks-legacy: its older resource name; nri: the device-injector of containerd; none: nodes without SGX, for the image without an enclave',
    oneOf(...platforms),
  ),
  epc: bounded('Enclave memory', '128Mi', '256Mi', '2Gi'),
  memory: bounded('Memory limit of the container, at least', '384Mi', '512Mi', '4Gi'),
  aesm: described(
    "The AESM service that makes quotes. null: no socket is mounted, as with another vendor's",
    defaulted(
      nullable(
        object({
          folder: described('Where the node has aesm.socket', defaulted(hostPath, '/var/run/aesmd')),
          userContainers: described(
            "Let a service name containers of its own that get the socket too, and SGX_AESM_ADDR=1 for Intel's libraries",
            defaulted(flag, false),
          ),
        }),
      ),
      {},
    ),
  ),
  nri: described(
    'For platform nri: what the node calls its devices (ls -l /dev/sgx*), the same on every node',
    optional(
      object({
        prefix: defaulted(oneOf('noderesource.dev', 'nri.io'), 'noderesource.dev'),
        devices: array(device),
      }),
    ),
  ),
  supplementalGroups: described(
    'Groups that own /dev/sgx_enclave and the AESM socket on the nodes; never 0',
    defaulted(array(integer(1, 2_147_483_647)), []),
  ),
  policy: described(
    "A ConfigMap of the namespace with the service's signed part of the policy, policy.jws",
    defaulted(
      nullable(
        object({
          configMap: name,
          path: defaulted(mountPath, '/etc/postern'),
          allow: described('Other ConfigMaps that a service may name', defaulted(array(name), [])),
        }),
      ),
      null,
    ),
  ),
  mounts: described(
    'More ConfigMaps of the namespace, such as collateral',
    defaulted(array(object({ configMap: name, path: mountPath })), []),
  ),
  sidecar: described(
    'The proxy for pods that are not Knative\'s and ask for one by the label postern.dev/inject: "true". null: they are denied',
    defaulted(nullable(sidecarShape), null),
  ),
  optOut: described('Whether a service may say postern.dev/inject: "false"', defaulted(flag, true)),
})

export type InjectOptions = Infer<typeof injectShape>

/** JSON Schema, draft 2020-12. */
export const injectSchema = (): Readonly<Record<string, unknown>> => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'postern inject',
  ...injectShape.schema,
})
