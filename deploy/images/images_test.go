package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	intoto "github.com/in-toto/attestation/go/v1"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"

	"haberdash/deploy/images/statement"
)

const platforms = "linux/amd64,linux/arm64"

// build builds the smallest image from a checkout. change may change the options.
func build(t *testing.T, root string, change func(*options)) (*options, layout.Path) {
	t.Helper()
	o := &options{root: root, out: t.TempDir(), prefix: "registry.test/shop", tag: "v1", names: []string{"secrets"}}
	require.NoError(t, o.parsePlatforms(platforms))
	if change != nil {
		change(o)
	}
	require.NoError(t, o.run(t.Context()))
	path, err := layout.FromPath(o.out)
	require.NoError(t, err)
	return o, path
}

// index reads the index of an OCI layout.
func index(t *testing.T, p layout.Path) *v1.IndexManifest {
	t.Helper()
	i, err := p.ImageIndex()
	require.NoError(t, err)
	m, err := i.IndexManifest()
	require.NoError(t, err)
	return m
}

// copyCheckout copies the files that the smallest image is built from to another directory.
func copyCheckout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"go.mod", "go.sum", "deploy/secrets/main.go", "apps/cart/main.go"} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		to := filepath.Join(dir, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, text, 0o600))
	}
	return dir
}

func TestSameSourceGivesTheSameDigests(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	dir := copyCheckout(t)
	_, first := build(t, dir, nil)
	_, second := build(t, copyCheckout(t), nil)
	require.Equal(t, index(t, first), index(t, second))
	for _, file := range []string{"secrets.provenance.json", "secrets-amd64.spdx.json", "secrets-arm64.spdx.json"} {
		a, err := os.ReadFile(filepath.Join(string(first), "statements", file))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(string(second), "statements", file))
		require.NoError(t, err)
		require.Equal(t, string(a), string(b))
	}

	source := filepath.Join(dir, "deploy", "secrets", "main.go")
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(source, append(text, "\nfunc init() { println() }\n"...), 0o600))
	_, third := build(t, dir, nil)
	require.NotEqual(t, index(t, first).Manifests[0].Digest, index(t, third).Manifests[0].Digest)
}

func TestImageContainsOnlyItsProgram(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	t.Setenv("SOURCE_URL", "https://git.example/haberdash")
	o, path := build(t, filepath.Join("..", ".."), nil)
	all, err := path.ImageIndex()
	require.NoError(t, err)
	images, err := all.ImageIndex(index(t, path).Manifests[0].Digest)
	require.NoError(t, err)
	m, err := images.IndexManifest()
	require.NoError(t, err)
	require.Len(t, m.Manifests, 2)
	for i, architecture := range []string{"amd64", "arm64"} {
		require.Equal(t, "linux/"+architecture, m.Manifests[i].Platform.String())
		img, err := images.Image(m.Manifests[i].Digest)
		require.NoError(t, err)
		c, err := img.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, architecture, c.Architecture)
		require.Equal(t, "65532:65532", c.Config.User)
		require.Equal(t, []string{"/secrets"}, c.Config.Entrypoint)
		require.EqualValues(t, 1700000000, c.Created.Unix())
		require.Equal(t, "2023-11-14T22:13:20Z", c.Config.Labels["org.opencontainers.image.created"])
		require.Equal(t, "https://git.example/haberdash", c.Config.Labels["org.opencontainers.image.source"])
		require.NotEmpty(t, c.Config.Labels["org.opencontainers.image.title"])
		require.Equal(t, []string{"etc", "etc/passwd", "secrets"}, fileNames(t, img))
	}
	tag, err := name.NewTag("registry.test/shop/secrets:v1")
	require.NoError(t, err)
	loaded, err := tarball.ImageFromPath(filepath.Join(o.out, "images.tar"), &tag)
	require.NoError(t, err)
	require.Equal(t, []string{"etc", "etc/passwd", "secrets"}, fileNames(t, loaded))
}

// fileNames lists the files of an image, and checks that root owns them and only root may write them.
func fileNames(t *testing.T, img v1.Image) (list []string) {
	t.Helper()
	files := mutate.Extract(img)
	defer files.Close()
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		require.NoError(t, err)
		require.Zero(t, h.Uid+h.Gid)
		require.Zero(t, h.Mode&0o022, "only root may write %s", h.Name)
		list = append(list, h.Name)
	}
}

// build_info, which Prometheus shows, names the revision.
func TestAnAppKnowsItsRevision(t *testing.T) {
	t.Parallel()
	const revision = "5ad1e0c4f3b2-dirty"
	bin := filepath.Join(t.TempDir(), "cart")
	what := program{name: "cart", pkg: "./apps/cart"}
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	require.NoError(t, compile(t.Context(), filepath.Join("..", ".."), what, revision, bin, platform))
	code, err := os.ReadFile(bin)
	require.NoError(t, err)
	require.Contains(t, string(code), revision)
}

func TestOnlyOrdersHasThePublicAuthorities(t *testing.T) {
	text := string(publicAuthorities())
	require.Greater(t, strings.Count(text, "BEGIN CERTIFICATE"), 100)
	o := &options{root: filepath.Join("..", "..")}
	list, err := o.programs()
	require.NoError(t, err)
	for _, p := range list {
		require.Equal(t, p.name == "orders", p.publicAuthorities, p.name)
	}
}

func TestStatementsReferToTheirImages(t *testing.T) {
	o, path := build(t, filepath.Join("..", ".."), nil)
	found, err := path.ImageIndex()
	require.NoError(t, err)
	all := index(t, path)
	require.Len(t, all.Manifests, 4, "the index of the images, two bills of materials, one provenance")
	images, err := found.ImageIndex(all.Manifests[0].Digest)
	require.NoError(t, err)
	m, err := images.IndexManifest()
	require.NoError(t, err)
	subjects := []v1.Hash{m.Manifests[0].Digest, m.Manifests[1].Digest, all.Manifests[0].Digest}
	for i, d := range all.Manifests[1:] {
		statement, err := found.Image(d.Digest)
		require.NoError(t, err)
		manifest, err := statement.Manifest()
		require.NoError(t, err)
		require.NotNil(t, manifest.Subject)
		require.Equal(t, subjects[i], manifest.Subject.Digest)
	}

	text, err := os.ReadFile(filepath.Join(o.out, "statements", "secrets-arm64.spdx.json"))
	require.NoError(t, err)
	doc, err := spdxjson.Read(bytes.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, m.Manifests[1].Digest.Hex, doc.Packages[0].PackageChecksums[0].Value)
	require.Equal(t, "stdlib", doc.Packages[1].PackageName)
	require.Len(t, doc.Relationships, len(doc.Packages))

	text, err = os.ReadFile(filepath.Join(o.out, "statements", "secrets.provenance.json"))
	require.NoError(t, err)
	var s intoto.Statement
	require.NoError(t, protojson.Unmarshal(text, &s))
	require.NoError(t, s.Validate())
	require.Equal(t, all.Manifests[0].Digest.Hex, s.Subject[0].Digest["sha256"])
	require.Equal(t, "registry.test/shop/secrets", s.Subject[0].Name)
}

func TestBillOfMaterialsListsEveryModule(t *testing.T) {
	p := program{name: "broker", module: filepath.Join("dapr", "local"), pkg: "./broker"}
	b := imageSet{program: p}
	o := &options{root: filepath.Join("..", "..")}
	v, err := b.variant(context.Background(), o, localPlatform())
	require.NoError(t, err)
	text, err := statement.BillOfMaterials(b.described(), v.Image)
	require.NoError(t, err)
	require.NotEmpty(t, v.Info.Deps)
	for _, m := range v.Info.Deps {
		require.Contains(t, string(text), "pkg:golang/"+strings.ToLower(m.Path)+"@"+strings.ReplaceAll(m.Version, "+", "%2B"))
	}
	require.Contains(t, string(text), "pkg:golang/github.com/twmb/franz-go/pkg/kfake@")
}

func TestPushedStatementsAreFoundByTheirImage(t *testing.T) {
	server := httptest.NewServer(registry.New(
		registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	_, path := build(t, filepath.Join("..", ".."), func(o *options) { o.prefix, o.push = host+"/shop", true })
	ref, err := name.NewTag(host + "/shop/secrets:v1")
	require.NoError(t, err)
	pushed, err := remote.Index(ref)
	require.NoError(t, err)
	digest, err := pushed.Digest()
	require.NoError(t, err)
	require.Equal(t, index(t, path).Manifests[0].Digest, digest)
	referrers, err := remote.Referrers(ref.Context().Digest(digest.String()))
	require.NoError(t, err)
	m, err := referrers.IndexManifest()
	require.NoError(t, err)
	require.Len(t, m.Manifests, 1)
	require.Equal(t, string(intotoType), m.Manifests[0].ArtifactType)
}
