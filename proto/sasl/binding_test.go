package sasl

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"
)

// RFC 5929 4.1: the hash is the signature's own.
func TestEndPointBinding(t *testing.T) {
	t.Parallel()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<32, 0)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(der)
	if b, err := EndPointBinding(cert); err != nil || b.Type != TLSServerEndPoint || string(b.Data) != string(want[:]) {
		t.Errorf("%+v %v", b, err)
	}
	for alg, n := range map[x509.SignatureAlgorithm]int{x509.SHA1WithRSA: 32, x509.ECDSAWithSHA384: 48, x509.SHA512WithRSA: 64} {
		if b, err := EndPointBinding(&x509.Certificate{Raw: der, SignatureAlgorithm: alg}); err != nil || len(b.Data) != n {
			t.Errorf("%v: %d octets, %v", alg, len(b.Data), err)
		}
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err = x509.CreateCertificate(rand.Reader, template, template, edKey.Public(), edKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := EndPointBinding(cert); err == nil {
		t.Error("Ed25519 has no single hash function")
	}
}

// RFC 9266 2: label, empty context, 32 octets.
func TestExporterBinding(t *testing.T) {
	t.Parallel()
	b, err := ExporterBinding(func(label string, context []byte, length int) ([]byte, error) {
		if label != "EXPORTER-Channel-Binding" || len(context) != 0 || length != 32 {
			t.Errorf("%q %q %d", label, context, length)
		}
		return make([]byte, length), nil
	})
	if err != nil || b.Type != TLSExporter || len(b.Data) != 32 {
		t.Errorf("%+v %v", b, err)
	}
	if _, err := ExporterBinding(func(string, []byte, int) ([]byte, error) { return nil, errors.New("no EMS") }); err == nil {
		t.Error("a failure was lost")
	}
}
