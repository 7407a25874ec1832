// Header names and user agents of Knative's data plane, in the lower case that header lookups use.
// Source: knative.dev/networking pkg/http/header, knative.dev/serving pkg/activator, pkg/queue.

export const header = {
  /** Asks a component to prove that it is the one probed: `queue` at this one, `probe` at any. */
  networkProbe: 'k-network-probe',
  /** Echoed in the answer to a `probe`. */
  networkHash: 'k-network-hash',
  /** Marks a request of the kubelet that somebody forwards. */
  kubeletProbe: 'k-kubelet-probe',
  /** `activator` where the activator forwarded the request. */
  proxyRequest: 'k-proxy-request',
  /** The Host that the ingress received, before it rewrote it. */
  originalHost: 'k-original-host',
  servingNamespace: 'knative-serving-namespace',
  servingRevision: 'knative-serving-revision',
} as const

const probeAgents = ['kube-probe/', 'Knative-Activator-Probe', 'Knative-Autoscaling-Probe'] as const

/** Health checks that the drainer answers: kubelet, activator, autoscaler, by prefix and case-sensitive (drain.go). */
export function isHealthCheck(userAgent: string | undefined): boolean {
  return userAgent !== undefined && probeAgents.some(agent => userAgent.startsWith(agent))
}

/** A kubelet probe on its way to the container: proxied, but neither limited nor counted (handler.go). */
export function isKubeletProbe(userAgent: string | undefined, kubeletProbe: string | undefined): boolean {
  return userAgent?.startsWith('kube-probe/') === true || (kubeletProbe !== undefined && kubeletProbe !== '')
}
