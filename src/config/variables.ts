// The names of all variables that readProxyConfig and signed/channels.ts read, and nothing else: the proxy's whole
// interface to its host's environment. The enclave's manifest lets exactly these in. Whoever reads a new one writes it here first.

/** Without these the proxy does not start. */
export const requiredVariables = [
  'CONTAINER_CONCURRENCY',
  'QUEUE_SERVING_PORT',
  'QUEUE_SERVING_TLS_PORT',
  'REVISION_TIMEOUT_SECONDS',
  'SERVING_CONFIGURATION',
  'SERVING_LOGGING_CONFIG',
  'SERVING_LOGGING_LEVEL',
  'SERVING_NAMESPACE',
  'SERVING_POD',
  'SERVING_POD_IP',
  'SERVING_REVISION',
  'USER_PORT',
] as const

/** Knative's that may be unset. */
const optionalVariables = [
  'ENABLE_HTTP2_AUTO_DETECTION',
  'ENABLE_HTTP_FULL_DUPLEX',
  'ENABLE_MULTI_CONTAINER_PROBES',
  'OBSERVABILITY_CONFIG',
  'QUEUE_PROXY_TLS_CIPHER_SUITES',
  'QUEUE_PROXY_TLS_CURVE_PREFERENCES',
  'QUEUE_PROXY_TLS_MAX_VERSION',
  'QUEUE_PROXY_TLS_MIN_VERSION',
  'REVISION_IDLE_TIMEOUT_SECONDS',
  'REVISION_RESPONSE_START_TIMEOUT_SECONDS',
  'SERVING_ENABLE_PROBE_REQUEST_LOG',
  'SERVING_ENABLE_REQUEST_LOG',
  'SERVING_READINESS_PROBE',
  'SERVING_REQUEST_LOG_TEMPLATE',
  'SERVING_REQUEST_METRICS_BACKEND',
  'SERVING_SERVICE',
  'TRACING_CONFIG_BACKEND',
] as const

/** Knative's channel for anything: a signed policy, where the base policy looks for one there. */
export const signedVariables = ['ROOT_CA'] as const

/** Ours. */
export const ownVariables = [
  'POSTERN_ADMIN_PORT',
  'POSTERN_AUTOSCALER_PORT',
  'POSTERN_METRICS_PORT',
  'POSTERN_MAX_CONNECTIONS',
  'POSTERN_IDLE_CONNECTION_SECONDS',
] as const

export const variables: readonly string[] = [
  ...requiredVariables,
  ...optionalVariables,
  ...signedVariables,
  ...ownVariables,
]
