package jmap

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 9404 asks for it as a checksum
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// Bounds of Blob methods (RFC 9404).
const (
	maxBlobSet = 10_000_000 // octets of one blob that a method makes
	maxSources = 64
	maxBlobGet = 16 << 20 // octets of data of one Blob/get
)

// blobCopy answers Blob/copy (RFC 8620 6.3). A client has one account here, in which all of its blobs are.
func (c *call) blobCopy() (any, error) {
	var from string
	var ids wire.IDs
	r := wire.Reader{Args: c.args}
	r.Must("fromAccountId", &from)
	r.Must("blobIds", &ids)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	if from != accountID(c.account.ID) {
		return nil, wire.Errorf(wire.ErrFromAccountNotFound, "you have no account "+from)
	}
	var copied map[string]string
	var not map[string]*wire.MethodError
	for _, id := range ids {
		src, err := c.blob(c.ctx, c.real(id))
		if err != nil {
			put(&not, id, notFound("blob"))
			continue
		}
		src.close()
		put(&copied, id, src.id)
	}
	return object{"fromAccountId": from, "accountId": from, "copied": copied, "notCopied": not}, nil
}

// dataSource is a piece of a blob to be made (RFC 9404 4.1).
type dataSource struct {
	text, base64, blob *string
	offset             wire.Uint
	length             *wire.Uint
}

// blobUpload answers Blob/upload (RFC 9404 4.1).
func (c *call) blobUpload() (any, error) {
	var create map[string]wire.Args
	r := wire.Reader{Args: c.args}
	r.Must("create", &create)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	a := setArgs{create: rawMap(create)}
	if err := a.check(c, ""); err != nil {
		return nil, err
	}
	var created map[string]object
	var not map[string]*wire.MethodError
	for _, key := range slices.Sorted(maps.Keys(create)) {
		up, err := c.compose(create[key])
		if err != nil {
			put(&not, key, c.setError(err))
			continue
		}
		c.created[key] = up.id
		put(&created, key, object{"id": up.id, "type": up.kind, "size": up.body.Size()})
	}
	return object{"accountId": accountID(c.account.ID), "created": created, "notCreated": not}, nil
}

func (c *call) compose(a wire.Args) (*upload, error) {
	var list []wire.Args
	kind := "application/octet-stream"
	r := wire.Reader{Args: a}
	r.Must("data", &list)
	r.Get("type", &kind)
	if err := r.End(); err != nil || len(list) > maxSources || !isMediaType(strings.ToLower(kind)) {
		return nil, badProperties(fmt.Sprintf("a blob has a type and at most %d data sources", maxSources), "data")
	}
	var parts []io.Reader
	defer func() {
		for _, p := range parts {
			if c, ok := p.(io.Closer); ok {
				_ = c.Close()
			}
		}
	}()
	for _, a := range list {
		p, err := c.sourceOf(a)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	up, err := c.s.store(c.ctx, c.account.ID, kind, io.LimitReader(io.MultiReader(parts...), maxBlobSet+1), maxBlobSet)
	if errors.Is(err, errTooLong) {
		return nil, wire.Errorf(wire.ErrTooLarge, fmt.Sprintf("a blob made by a method can have %d octets", maxBlobSet))
	}
	return up, err
}

func (c *call) sourceOf(a wire.Args) (io.Reader, error) {
	var d dataSource
	r := wire.Reader{Args: a}
	r.Get("data:asText", &d.text)
	r.Get("data:asBase64", &d.base64)
	r.Get("blobId", &d.blob)
	r.Get("offset", &d.offset)
	r.Get("length", &d.length)
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), "data")
	}
	switch {
	case d.text != nil && d.base64 == nil && d.blob == nil:
		return strings.NewReader(*d.text), nil
	case d.base64 != nil && d.text == nil && d.blob == nil:
		b, err := base64.StdEncoding.DecodeString(*d.base64)
		if err != nil {
			return nil, badProperties("data:asBase64 is no base64", "data")
		}
		return bytes.NewReader(b), nil
	case d.blob == nil || d.text != nil || d.base64 != nil:
		return nil, badProperties("a data source is a text, base64 or a blob", "data")
	}
	id := c.real(*d.blob)
	src, err := c.blob(c.ctx, id)
	if mail.Is(err, mail.NotFound) {
		return nil, blobMissing(id)
	}
	if err != nil {
		return nil, err
	}
	n := int64(-1)
	if d.length != nil {
		n = int64(*d.length)
	}
	body, err := src.open(int64(d.offset), n)
	if err != nil {
		src.close()
		return nil, err
	}
	return &ofSource{body, src}, nil
}

// ofSource closes a source with what is read of it.
type ofSource struct {
	io.ReadCloser
	src *source
}

func (o *ofSource) Close() error {
	err := o.ReadCloser.Close()
	o.src.close()
	return err
}

// blobGet answers Blob/get (RFC 9404 4.2).
func (c *call) blobGet() (any, error) {
	var offset wire.Uint
	var length *wire.Uint
	g, err := c.getArgs([]string{"id", "data", "data:asText", "data:asBase64", "digest:sha", "digest:sha-256", "size"}, func(r *wire.Reader) {
		r.Get("offset", &offset)
		r.Get("length", &length)
	})
	if err != nil {
		return nil, err
	}
	if g.all {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, "name the blobs to get")
	}
	if g.props == nil {
		g.props = []string{"id", "data", "size"}
	}
	list, missing := []object{}, []string{}
	room := int64(maxBlobGet)
	for _, id := range g.ids {
		o, err := c.blobObject(id, &g, int64(offset), length, &room)
		switch {
		case mail.Is(err, mail.NotFound):
			missing = append(missing, id)
		case err != nil:
			return nil, err
		default:
			list = append(list, o)
		}
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": missing}, nil
}

func (c *call) blobObject(id string, g *getArgs, offset int64, length *wire.Uint, room *int64) (object, error) {
	src, err := c.blob(c.ctx, id)
	if err != nil {
		return nil, err
	}
	defer src.close()
	size := src.size
	if size < 0 {
		if size, err = src.count(); err != nil {
			return nil, err
		}
	}
	end := size
	cut := offset > size
	if length != nil {
		cut = cut || offset+int64(*length) > size
		end = min(end, offset+int64(*length))
	}
	n := max(end-offset, 0)
	o := object{"id": id}
	if g.wants("size") {
		o["size"] = size
	}
	if cut {
		o["isTruncated"] = true
	}
	hashes := map[string]hash.Hash{}
	if g.wants("digest:sha") {
		hashes["digest:sha"] = sha1.New() //nolint:gosec // as above
	}
	if g.wants("digest:sha-256") {
		hashes["digest:sha-256"] = sha256.New()
	}
	asText, asBase64 := g.wants("data") || g.wants("data:asText"), g.wants("data:asBase64")
	var data bytes.Buffer
	to := []io.Writer{}
	for _, h := range hashes {
		to = append(to, h)
	}
	if asText || asBase64 {
		if *room -= n; *room < 0 {
			return nil, wire.Errorf(wire.ErrRequestTooLarge, "these blobs are too large for one response; get pieces of them, or download them")
		}
		to = append(to, &data)
	}
	if len(to) == 0 {
		return o, nil
	}
	body, err := src.open(min(offset, size), n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if _, err := io.Copy(io.MultiWriter(to...), body); err != nil {
		return nil, err
	}
	for name, h := range hashes {
		o[name] = base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	switch isText := utf8.Valid(data.Bytes()); {
	case asText && isText:
		o["data:asText"] = data.String()
	case asText:
		o["isEncodingProblem"] = true
		if g.wants("data:asText") {
			o["data:asText"] = nil
		}
		asBase64 = asBase64 || g.wants("data")
	}
	if asBase64 {
		o["data:asBase64"] = base64.StdEncoding.EncodeToString(data.Bytes())
	}
	return o, nil
}

// count reads a source through for its length.
func (s *source) count() (int64, error) {
	r, err := s.open(0, -1)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, r)
}

// blobLookup answers Blob/lookup (RFC 9404 4.3): which messages, and what they are in, refer to a blob.
func (c *call) blobLookup() (any, error) {
	var types []string
	var ids wire.IDs
	r := wire.Reader{Args: c.args}
	r.Must("typeNames", &types)
	r.Must("ids", &ids)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	for _, t := range types {
		if t != "Email" && t != "Mailbox" && t != "Thread" {
			return nil, wire.Errorf("unknownDataType", fmt.Sprintf("blobs are not looked up for %q", t))
		}
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	list, missing := []object{}, []string{}
	for _, id := range ids {
		n, ok := number('R', strings.SplitN(c.real(id), "_", 2)[0])
		e := s.email(mail.EmailID(n))
		if !ok || e == nil {
			if c.s.uploads.find(c.account.ID, id) == nil {
				missing = append(missing, id)
				continue
			}
			e = nil
		}
		matched := map[string][]string{}
		for _, t := range types {
			matched[t] = []string{}
			switch {
			case e == nil:
			case t == "Email":
				matched[t] = []string{emailID(e.id)}
			case t == "Thread":
				matched[t] = []string{threadID(e.thread)}
			default:
				matched[t] = slices.Sorted(maps.Keys(e.mailboxIDs()))
			}
		}
		list = append(list, object{"id": id, "matchedIds": matched})
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": missing}, nil
}
