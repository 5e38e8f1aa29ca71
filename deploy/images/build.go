package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is nobody in particular: the number that distroless images call nonroot.
const user = "65532"

// A source is what the images are built from.
type source struct {
	revision string // of git, with -dirty for changes that are not in it; empty outside a checkout
	time     time.Time
}

// readSource takes the time from SOURCE_DATE_EPOCH (reproducible-builds.org), else from the commit.
func readSource(ctx context.Context, root string) (s source, err error) {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	s.revision = git("rev-parse", "HEAD")
	if s.revision != "" && git("status", "--porcelain") != "" {
		s.revision += "-dirty"
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		epoch = git("log", "-1", "--format=%ct")
	}
	if epoch == "" {
		epoch = "0"
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return s, fmt.Errorf("SOURCE_DATE_EPOCH=%s is not a number of seconds", epoch)
	}
	s.time = time.Unix(seconds, 0).UTC()
	return s, nil
}

// built is a program's images, one a platform.
type built struct {
	program  program
	source   source
	variants []variant
}

type variant struct {
	platform         v1.Platform
	image            v1.Image
	digest           v1.Hash
	info             *buildinfo.BuildInfo
	size, compressed int64 // bytes
}

func (b *built) variant(ctx context.Context, o *options, p v1.Platform) (v variant, err error) {
	dir, err := os.MkdirTemp("", "haberdash-images-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, b.program.name)
	if err := compile(ctx, o.root, b.program, bin, p); err != nil {
		return v, err
	}
	v.platform = p
	if v.info, err = buildinfo.ReadFile(bin); err != nil {
		return v, err
	}
	code, err := os.ReadFile(bin)
	if err != nil {
		return v, err
	}
	files := []file{{"etc/passwd", 0o644, []byte("nonroot:x:" + user + ":" + user + "::/:/nonexistent\n")}}
	if b.program.roots {
		files = append(files, file{"etc/ssl/certs/ca-certificates.crt", 0o644, roots()})
	}
	files = append(files, file{b.program.name, 0o755, code})
	layer, err := newLayer(files)
	if err != nil {
		return v, err
	}
	if v.image, err = b.assemble(layer, p); err != nil {
		return v, err
	}
	for _, f := range files {
		v.size += int64(len(f.data))
	}
	if v.compressed, err = layer.Size(); err != nil {
		return v, err
	}
	v.digest, err = v.image.Digest()
	return v, err
}

var buildFlags = []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="}

// compile builds a program that depends on nothing of this machine: neither its libraries nor its paths.
func compile(ctx context.Context, root string, what program, bin string, p v1.Platform) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, buildFlags, []string{"-tags=" + what.tags, "-o", bin, what.pkg})...)
	cmd.Dir = filepath.Join(root, what.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOOS="+p.OS, "GOARCH="+p.Architecture,
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", what.pkg, err, out)
	}
	return nil
}

// roots are Mozilla's authorities, as go.sum pins them. Those that hold for a part of the world's names only cannot be
// written into a file of certificates, and are left out.
func roots() []byte {
	var b bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}) // into memory
		}
	}
	return b.Bytes()
}

// A file of an image. Its time is always 1970: who wants to know when it was made reads the image's.
type file struct {
	path string
	mode int64
	data []byte
}

// newLayer makes a layer of files, given in the order of their paths, and of the folders above them.
func newLayer(files []file) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{".": true}
	var folder func(dir string) error
	folder = func(dir string) error {
		if made[dir] {
			return nil
		}
		if err := folder(filepath.Dir(dir)); err != nil {
			return err
		}
		made[dir] = true
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
	}
	for _, f := range files {
		if err := folder(filepath.Dir(f.path)); err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0)}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
}

// labels are OCI's (image-spec, annotations.md).
func (b *built) labels() map[string]string {
	l := map[string]string{"org.opencontainers.image.title": b.program.title, "org.opencontainers.image.created": b.source.time.Format(time.RFC3339)}
	if b.source.revision != "" {
		l["org.opencontainers.image.revision"] = b.source.revision
	}
	if url := os.Getenv("SOURCE_URL"); url != "" {
		l["org.opencontainers.image.source"] = url
	}
	return l
}

func (b *built) assemble(layer v1.Layer, p v1.Platform) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: b.source.time}, CreatedBy: "deploy/images", Comment: b.program.name}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.OS, p.Architecture, v1.Time{Time: b.source.time}
	config.Config = v1.Config{User: user + ":" + user, Entrypoint: []string{"/" + b.program.name}, WorkingDir: "/", Labels: b.labels()}
	return mutate.ConfigFile(img, config)
}
