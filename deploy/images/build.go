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

	"haberdash/deploy/images/statement"
)

// user is the id of the account and the group that run the program. Distroless images call them nonroot.
const user = "65532"

// A source identifies the code that the images are built from.
type source struct {
	// revision is the git commit, with the suffix -dirty if there are uncommitted changes. It is empty outside a
	// checkout.
	revision string
	// time becomes the creation time of the images.
	time time.Time
}

// readSource reads the revision from git. The time is SOURCE_DATE_EPOCH (reproducible-builds.org), or that of the
// commit.
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

// An imageSet is the images of one program, one for each platform.
type imageSet struct {
	program  program
	source   source
	variants []variant
}

// described returns what the statements say about the images.
func (b *imageSet) described() statement.Program {
	p := statement.Program{Name: b.program.name, Revision: b.source.revision, Created: b.source.time}
	for _, v := range b.variants {
		p.Images = append(p.Images, v.Image)
	}
	return p
}

// A variant is the image of a program for one platform.
type variant struct {
	statement.Image
	image            v1.Image
	size, compressed int64 // bytes
}

// variant builds the image for one platform.
func (b *imageSet) variant(ctx context.Context, o *options, p v1.Platform) (v variant, err error) {
	dir, err := os.MkdirTemp("", "haberdash-images-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, b.program.name)
	if err := compile(ctx, o.root, b.program, b.source.revision, bin, p); err != nil {
		return v, err
	}
	v.Platform = p
	if v.Info, err = buildinfo.ReadFile(bin); err != nil {
		return v, err
	}
	code, err := os.ReadFile(bin)
	if err != nil {
		return v, err
	}
	files := []file{{"etc/passwd", 0o644, []byte("nonroot:x:" + user + ":" + user + "::/:/nonexistent\n")}}
	if b.program.publicAuthorities {
		files = append(files, file{"etc/ssl/certs/ca-certificates.crt", 0o644, publicAuthorities()})
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
	v.Digest, err = v.image.Digest()
	return v, err
}

// buildFlags returns the flags of go build. An app exports the revision as the version in its metric build_info.
func buildFlags(revision string) []string {
	return []string{
		"-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X haberdash/internal/telemetry.version=" + revision,
	}
}

// compile builds a program into the file bin. The result does not depend on this machine: it uses no libraries of the
// machine and contains no paths of it.
func compile(ctx context.Context, root string, what program, revision, bin string, p v1.Platform) error {
	args := slices.Concat([]string{"build"}, buildFlags(revision), []string{"-tags=" + what.tags, "-o", bin, what.pkg})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(root, what.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOOS="+p.OS,
		"GOARCH="+p.Architecture, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", what.pkg, err, out)
	}
	return nil
}

// publicAuthorities returns Mozilla's certificate authorities, in the version that go.sum pins, as a PEM file. It
// leaves out authorities with a constraint, such as being trusted for some domains only, because a PEM file cannot
// express it.
func publicAuthorities() []byte {
	var b bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}) // a buffer cannot fail
		}
	}
	return b.Bytes()
}

// A file in an image. Its modification time is always 1970, so that it does not change the digest. The image has the
// time at which it was created.
type file struct {
	path string
	mode int64
	data []byte
}

// newLayer makes a layer from files, which must be sorted by path, and from the folders that contain them.
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
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
}

// labels returns the labels of the images. OCI defines their names (image-spec, annotations.md).
func (b *imageSet) labels() map[string]string {
	l := map[string]string{
		"org.opencontainers.image.title":   b.program.title,
		"org.opencontainers.image.created": b.source.time.Format(time.RFC3339),
	}
	if b.source.revision != "" {
		l["org.opencontainers.image.revision"] = b.source.revision
	}
	if url := os.Getenv("SOURCE_URL"); url != "" {
		l["org.opencontainers.image.source"] = url
	}
	return l
}

// assemble makes an image from its layer.
func (b *imageSet) assemble(layer v1.Layer, p v1.Platform) (v1.Image, error) {
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
	config.Config = v1.Config{
		User: user + ":" + user, Entrypoint: []string{"/" + b.program.name}, WorkingDir: "/", Labels: b.labels()}
	return mutate.ConfigFile(img, config)
}
