package sasl

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
)

// The types of channel binding that are understood.
const (
	TLSExporter       = "tls-exporter"         // RFC 9266
	TLSServerEndPoint = "tls-server-end-point" // RFC 5929 4
)

// Binding ties an exchange to the TLS connection that carries it (RFC 5056).
type Binding struct {
	Type string
	Data []byte
}

// ExporterBinding makes the tls-exporter binding (RFC 9266 2). export is the ExportKeyingMaterial of the connection's
// state; it fails where the connection cannot give unique material (TLS 1.2 without extended master secret).
func ExporterBinding(export func(label string, context []byte, length int) ([]byte, error)) (Binding, error) {
	data, err := export("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return Binding{}, fmt.Errorf("sasl: no tls-exporter binding: %w", err)
	}
	return Binding{Type: TLSExporter, Data: data}, nil
}

// EndPointBinding makes the tls-server-end-point binding from the certificate the server showed (RFC 5929 4.1): its hash
// by the hash function of its signature, where MD5 and SHA-1 are replaced by SHA-256. A certificate whose
// signature names no single hash function (Ed25519) has none.
func EndPointBinding(cert *x509.Certificate) (Binding, error) {
	var sum []byte
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256, x509.DSAWithSHA256:
		h := sha256.Sum256(cert.Raw)
		sum = h[:]
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		h := sha512.Sum384(cert.Raw)
		sum = h[:]
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		h := sha512.Sum512(cert.Raw)
		sum = h[:]
	default:
		return Binding{}, fmt.Errorf("sasl: no tls-server-end-point binding for a %v signature", cert.SignatureAlgorithm)
	}
	return Binding{Type: TLSServerEndPoint, Data: sum}, nil
}
