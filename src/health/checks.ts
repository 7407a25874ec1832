// The container's readiness probe as the controller writes it (a Kubernetes Probe), reduced to what is used.

export type Check =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'http'
      readonly scheme: 'http' | 'https'
      readonly host: string
      readonly port: number
      /** Without its leading slashes; may carry a query. */
      readonly path: string
      readonly headers: readonly (readonly [name: string, value: string])[]
    }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string }
  | { readonly kind: 'exec' }
  | { readonly kind: 'none' }

export interface ReadinessCheck {
  readonly check: Check
  /** 0 selects aggressive mode: a try every 50 ms for up to 10 s. */
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly successThreshold: number
}
