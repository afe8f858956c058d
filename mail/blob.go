package mail

import (
	"context"
	"io"
)

// Body is a body a change refers to: one that is stored, or one sealed and waiting to be.
type Body interface {
	// Size is its length in octets.
	Size() int64
}

// StoredBody is a body the store already holds, as a Body.
type StoredBody struct {
	ID     BlobID
	Octets int64
}

// Size is the body's length in octets.
func (b StoredBody) Size() int64 { return b.Octets }

// SealedBody is a complete body that no change set has filed yet. It may be on disk already, yet it
// is not acknowledged and vanishes with a crash. It may be read until it is discarded.
type SealedBody interface {
	Body
	// Open reads it from the start.
	Open() (BlobReader, error)
	// Discard frees what it holds. It must be called once its change set was committed or given up; after a commit the
	// stored body stays.
	Discard()
}

// BlobWriter takes a body as it arrives. Its memory does not grow with the body.
type BlobWriter interface {
	io.Writer
	// Seal ends the body. The writer must not be used after.
	Seal() (SealedBody, error)
	// Discard gives it up. It does nothing after Seal, so that it can be deferred.
	Discard()
}

// BlobReader reads a stored body, in order or at any place. It must be closed.
type BlobReader interface {
	io.Reader
	io.ReaderAt
	io.WriterTo
	io.Closer
	Size() int64
}

// Blobs keeps bodies.
type Blobs interface {
	// Create starts a new body. Unavailable when the disk is nearly full.
	Create(ctx context.Context) (BlobWriter, error)
	// Open reads a stored body; NotFound when no message and no queue entry refers to it any more. A body
	// whose checksum fails gives an error of kind Internal that names pack and offset.
	Open(ctx context.Context, id BlobID) (BlobReader, error)
}
