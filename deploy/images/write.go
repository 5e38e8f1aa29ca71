package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"haberdash/deploy/images/statement"
)

const (
	spdxType   = types.MediaType("application/spdx+json")
	intotoType = types.MediaType("application/vnd.in-toto+json")
)

// A writer writes the images to an OCI layout, and their statements (bills of materials and provenance) to files beside
// it. It collects the images for this machine's architecture in an archive. If push is set, it also pushes everything
// to a registry.
type writer struct {
	*options
	layout  layout.Path
	archive map[name.Reference]v1.Image
}

func newWriter(o *options) (*writer, error) {
	for _, old := range []string{"blobs", "index.json", "oci-layout", "images.tar", "statements"} {
		if err := os.RemoveAll(filepath.Join(o.out, old)); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(o.out, "statements"), 0o755); err != nil {
		return nil, err
	}
	path, err := layout.Write(o.out, empty.Index)
	return &writer{options: o, layout: path, archive: map[name.Reference]v1.Image{}}, err
}

// add writes the images of a program: an index of the images, a bill of materials for each image, and the provenance of
// the index. Each statement refers to its subject (OCI image-spec 1.1), so that a registry can list the statements
// about an image.
func (w *writer) add(ctx context.Context, b imageSet) error {
	ref, err := w.reference(b.program.name)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, v := range b.variants {
		index = mutate.AppendManifests(index,
			mutate.IndexAddendum{Add: v.image, Descriptor: v1.Descriptor{Platform: &v.Platform}})
		if v.Platform.Equals(localPlatform()) {
			w.archive[ref] = v.image
		}
	}
	index = mutate.Annotations(index, b.labels()).(v1.ImageIndex)
	named := map[string]string{"org.opencontainers.image.ref.name": w.tag, "io.containerd.image.name": ref.Name()}
	if err := w.layout.AppendIndex(index, layout.WithAnnotations(named)); err != nil {
		return err
	}
	if w.push {
		if err := remote.WriteIndex(ref, index, w.credentials(ctx)...); err != nil {
			return err
		}
	}
	described := b.described()
	for _, v := range b.variants {
		text, err := statement.BillOfMaterials(described, v.Image)
		if err == nil {
			file := fmt.Sprintf("%s-%s.spdx.json", b.program.name, v.Platform.Architecture)
			err = w.attach(ctx, ref, v.image, spdxType, file, text)
		}
		if err != nil {
			return fmt.Errorf("bill of materials: %w", err)
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	text, err := statement.Provenance(described, ref.Context().Name(), digest)
	if err == nil {
		err = w.attach(ctx, ref, index, intotoType, b.program.name+".provenance.json", text)
	}
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	return nil
}

// attach writes a statement about an image or an index, as a file and as an artifact whose subject is that image or
// index.
func (w *writer) attach(
	ctx context.Context, ref name.Tag, about partial.Describable, t types.MediaType, file string, text []byte,
) error {
	if err := os.WriteFile(filepath.Join(w.out, "statements", file), text, 0o644); err != nil {
		return err
	}
	subject, err := partial.Descriptor(about)
	if err != nil {
		return err
	}
	artifact, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer: static.NewLayer(text, t), MediaType: t,
		Annotations: map[string]string{"org.opencontainers.image.title": file}})
	if err != nil {
		return err
	}
	artifact = mutate.ConfigMediaType(artifact, t)
	descriptor := v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	attached := mutate.Subject(artifact, descriptor).(v1.Image)
	if err := w.layout.AppendImage(attached); err != nil {
		return err
	}
	if !w.push {
		return nil
	}
	digest, err := attached.Digest()
	if err != nil {
		return err
	}
	return remote.Write(ref.Context().Digest(digest.String()), attached, w.credentials(ctx)...)
}

func (w *writer) credentials(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// close writes the archive of the images for this machine's architecture. Call it after the last add.
func (w *writer) close() error {
	fmt.Printf("OCI layout and statements: %s\n", w.out)
	if len(w.archive) == 0 {
		return nil
	}
	path := filepath.Join(w.out, "images.tar")
	if err := tarball.MultiRefWriteToFile(path, w.archive); err != nil {
		return err
	}
	fmt.Printf("archive for a node without a registry: %s\n", path)
	return nil
}
