// The check that Knative's activator makes of a queue-proxy's certificate (knative/serving, pkg/activator: server name
// data-plane.knative.dev by Go's own verification, and kn-user-<namespace> among the leaf's DNS names). Arguments: file of
// roots, file of the chain as shown, namespace.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
)

func read(file string) (found []*x509.Certificate) {
	rest, err := os.ReadFile(file)
	for err == nil {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, certificate)
		}
	}
	fmt.Println(err)
	os.Exit(1)
	return
}

func main() {
	roots, below := x509.NewCertPool(), x509.NewCertPool()
	for _, root := range read(os.Args[1]) {
		roots.AddCert(root)
	}
	chain := read(os.Args[2])
	for _, certificate := range chain[1:] {
		below.AddCert(certificate)
	}
	leaf := chain[0]
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "data-plane.knative.dev", Roots: roots, Intermediates: below}); err != nil {
		fmt.Println(err)
	} else if !slices.Contains(leaf.DNSNames, "kn-user-"+os.Args[3]) {
		fmt.Println("no name of the namespace among", leaf.DNSNames)
	} else {
		fmt.Println("accepted", len(leaf.URIs), len(leaf.Extensions) > 6)
	}
}
