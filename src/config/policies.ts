// The shipped policies, as texts: their exact bytes are what is digested and what evidence names, so a change of one
// space is another policy. Must never be built from parts at run time, and must never name a real root.
//
// `demo` trusts a root whose key is public; neither it nor `compatible` belongs in an enclave's bundle.

/** Attested container, TLS from the ingress. As shipped it accepts nobody: an operator's copy names the enclaves. */
export const confidential = `{
  "version": 1,
  "name": "confidential",
  "inbound": { "plaintext": "probes-only" },
  "identity": { "source": "self-signed" },
  "upstream": {
    "mode": "attested",
    "trust": "measurement",
    "freshness": "none",
    "accept": "app",
    "clientCertificate": true
  },
  "peers": { "app": { "enclaves": [] } }
}
`

/** What Knative's own queue-proxy does: plain both ways, every header passed, every field logged that the operator asks for. */
export const compatible = `{
  "version": 1,
  "name": "compatible",
  "inbound": { "plaintext": "serve", "strip": [] },
  "identity": { "source": "files", "dangerAcceptForeignKey": true },
  "upstream": {
    "mode": "plaintext",
    "upgrade": { "allow": ["*"] },
    "allowUnframed": true
  },
  "observe": { "allow": ["*"] }
}
`

/** The real thing with synthetic evidence: the root's key is public, the measurement is SHA-256("postern demo function"). */
export const demo = `{
  "version": 1,
  "name": "demo",
  "inbound": { "plaintext": "probes-only" },
  "identity": { "source": "self-signed" },
  "upstream": {
    "mode": "attested",
    "trust": "measurement",
    "freshness": "none",
    "accept": "app",
    "protocol": "auto",
    "clientCertificate": true
  },
  "peers": {
    "app": {
      "enclaves": [{ "mrenclave": "47b4d6d4b64423ce2d36c18c61fd8fd9dded1ae05de12fbba2a46041042f0b06" }]
    }
  },
  "dangerSyntheticRoot": "-----BEGIN CERTIFICATE-----\\nMIIBizCCATGgAwIBAgIBATAKBggqhkjOPQQDAjA7MSowKAYDVQQDEyFTWU5USEVU\\nSUMgU0dYIFJvb3QgQ0EgKG5vdCBJbnRlbCkxDTALBgNVBAoTBFRlc3QwHhcNMjAw\\nMTAxMDAwMDAwWhcNNDkxMjMxMjM1OTU5WjA7MSowKAYDVQQDEyFTWU5USEVUSUMg\\nU0dYIFJvb3QgQ0EgKG5vdCBJbnRlbCkxDTALBgNVBAoTBFRlc3QwWTATBgcqhkjO\\nPQIBBggqhkjOPQMBBwNCAAR+KmueIJP1Gl4pz86lLnHOB6oMRO2gNIw7c9PCSxEA\\n6jT4N0stN04zkWmH6IBO2I8W5SDrg42TQIc5QQb3feycoyYwJDASBgNVHRMBAf8E\\nCDAGAQH/AgEBMA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNIADBFAiBmTjiT\\nYorhhH6HhWtJrlQWGvKfrsqUBusZ2KqSiHfiVQIhAPVE+q3XSYExMYECC+wcRkwr\\nQgwFvCcdec0q1aiT627d\\n-----END CERTIFICATE-----\\n"
}
`

/** By name. A name that is not here is a file. */
export const shipped: Readonly<Record<string, string>> = { confidential, compatible, demo }
