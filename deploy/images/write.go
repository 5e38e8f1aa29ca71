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
)

const (
	spdxType   = types.MediaType("application/spdx+json")
	intotoType = types.MediaType("application/vnd.in-toto+json")
)

// A writer takes images to where they go: an OCI layout always, with what is said of them as files beside it too; an
// archive for a node; a registry if asked.
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

// add writes a program's images: an index of them, for each a bill of materials, and the provenance of all. These refer to
// their subject, as OCI's image-spec 1.1 has it, so that a registry finds them by it.
func (w *writer) add(ctx context.Context, b built) error {
	ref, err := w.reference(b.program.name)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, v := range b.variants {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: v.image, Descriptor: v1.Descriptor{Platform: &v.platform}})
		if v.platform.Equals(here()) {
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
	for _, v := range b.variants {
		text, err := billOfMaterials(b, v)
		if err == nil {
			err = w.say(ctx, ref, v.image, spdxType, fmt.Sprintf("%s-%s.spdx.json", b.program.name, v.platform.Architecture), text)
		}
		if err != nil {
			return fmt.Errorf("bill of materials: %w", err)
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	text, err := statement(b, ref.Context().Name(), digest)
	if err == nil {
		err = w.say(ctx, ref, index, intotoType, b.program.name+".provenance.json", text)
	}
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	return nil
}

// say writes a statement about an image or an index: an artifact whose subject that is.
func (w *writer) say(ctx context.Context, ref name.Tag, about partial.Describable, t types.MediaType, file string, text []byte) error {
	if err := os.WriteFile(filepath.Join(w.out, "statements", file), text, 0o644); err != nil {
		return err
	}
	subject, err := partial.Descriptor(about)
	if err != nil {
		return err
	}
	artifact, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer: static.NewLayer(text, t), MediaType: t, Annotations: map[string]string{"org.opencontainers.image.title": file}})
	if err != nil {
		return err
	}
	artifact = mutate.ConfigMediaType(artifact, t)
	said := mutate.Subject(artifact, v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}).(v1.Image)
	if err := w.layout.AppendImage(said); err != nil {
		return err
	}
	if !w.push {
		return nil
	}
	digest, err := said.Digest()
	if err != nil {
		return err
	}
	return remote.Write(ref.Context().Digest(digest.String()), said, w.credentials(ctx)...)
}

func (w *writer) credentials(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// close writes the archive, last: it is of what was built for this machine's architecture.
func (w *writer) close() error {
	fmt.Printf("OCI layout, with statements: %s\n", w.out)
	if len(w.archive) == 0 {
		return nil
	}
	path := filepath.Join(w.out, "images.tar")
	if err := tarball.MultiRefWriteToFile(path, w.archive); err != nil {
		return err
	}
	fmt.Printf("for a node without a registry: %s\n", path)
	return nil
}
