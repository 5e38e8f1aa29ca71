package statement

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

// BillOfMaterials returns the SPDX 2.3 document of one image. It lists the program, the Go version and every module,
// which it reads from the build information in the program.
func BillOfMaterials(p Program, v Image) ([]byte, error) {
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      p.Name + "-" + v.Platform.Architecture,
		DocumentNamespace: "urn:haberdash:sbom:" + v.Digest.String(), // unique for each image
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "haberdash-deploy-images"}},
			Created:  p.Created.Format(time.RFC3339),
		},
	}
	image := &spdx.Package{
		PackageName: p.Name, PackageSPDXIdentifier: "image", PackageVersion: p.Revision,
		PackageDownloadLocation: "NOASSERTION", PackageLicenseConcluded: "NOASSERTION",
		PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION", PrimaryPackagePurpose: "CONTAINER",
		PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: v.Digest.Hex}},
	}
	doc.Packages = append(doc.Packages, image)
	relate := func(a, b common.ElementID, how string) {
		doc.Relationships = append(doc.Relationships, &spdx.Relationship{
			RefA: common.MakeDocElementID("", string(a)), RefB: common.MakeDocElementID("", string(b)),
			Relationship: how})
	}
	relate("DOCUMENT", "image", common.TypeRelationshipDescribe)
	add := func(id, name, version, sum string) {
		m := &spdx.Package{
			PackageName: name, PackageSPDXIdentifier: common.ElementID(id), PackageVersion: version,
			PackageDownloadLocation: "NOASSERTION", PackageLicenseConcluded: "NOASSERTION",
			PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION",
			PackageExternalReferences: []*spdx.PackageExternalReference{{
				Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL,
				Locator: purl(name, version)}},
		}
		if sum, err := hexSum(sum); err == nil {
			m.PackageComment = "sha256 of its files, as in go.sum (h1): " + sum
		}
		doc.Packages = append(doc.Packages, m)
		relate("image", common.ElementID(id), common.TypeRelationshipContains)
	}
	add("stdlib", "stdlib", strings.TrimPrefix(v.Info.GoVersion, "go"), "")
	for i, m := range modules(v.Info) {
		add(fmt.Sprintf("module-%d", i+1), m.Path, m.Version, m.Sum)
	}
	var text bytes.Buffer
	err := spdxjson.Write(doc, &text, spdxjson.Indent(" "))
	return text.Bytes(), err
}

// modules returns the modules in the program. A replaced module is listed as its replacement.
func modules(info *debug.BuildInfo) (list []*debug.Module) {
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list = append(list, m)
	}
	return list
}

// purl returns the package URL of a Go module (purl-spec, type golang).
func purl(module, version string) string {
	return "pkg:golang/" + strings.ToLower(module) + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// hexSum returns a checksum of go.sum (h1:, base64) in hexadecimal.
func hexSum(sum string) (string, error) {
	text, ok := strings.CutPrefix(sum, "h1:")
	if !ok {
		return "", fmt.Errorf("%q is not a checksum of go.sum", sum)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return hex.EncodeToString(b), err
}
