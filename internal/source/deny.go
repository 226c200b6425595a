package source

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// skipped are the names of folders and files that are never part of an app: versions, installed packages, outputs of other tools and
// Slipway's own state. They are not looked into, and not told.
var skipped = map[string]bool{
	".git": true, ".hg": true, ".svn": true, "cvs": true, "node_modules": true, ".vercel": true, ".next": true, ".slipway": true,
	".ds_store": true, "thumbs.db": true,
}

// deniedNames are patterns (path.Match, in lower case) for names of files and folders that hold credentials. Nothing ever opens them.
// No setting lifts this.
var deniedNames = []string{
	".env*", "*.env", ".dev.vars", ".dev.vars.*",
	"*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk", "*.kdbx", "*.p8", "*.pkcs12", "*.ovpn", "*.agekey", "secring.*",
	"id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
	".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".htpasswd", ".pypirc", ".git-credentials", ".dockercfg", ".s3cfg", ".boto", ".vault-token",
	"credentials", "credentials.json", "credentials.yml", "credentials.yaml", "credentials.toml", "credentials.csv", "application_default_credentials.json",
	"secrets.json", "secrets.yml", "secrets.yaml", "secrets.toml", "secrets.env",
	"service-account*.json", "service_account*.json", "serviceaccount*.json", "*-service-account*.json", "*firebase-adminsdk*.json", "client_secret*.json", "gcp-key*.json",
	"*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", "master.key",
	"kubeconfig", "kubeconfig.*", "*.kubeconfig", ".terraformrc", "terraform.rc", "credentials.tfrc.json",
	".ssh", ".aws", ".gnupg", ".kube", ".azure", ".gcloud", "gcloud",
}

// deniedPaths are denied by where they stand: the end of the path, in lower case.
var deniedPaths = []string{".docker/config.json"}

// allowedNames hold no values by custom.
var allowedNames = map[string]bool{".env.example": true}

// denies reports whether a path is held back by its name.
func denies(p string) bool {
	p = strings.ToLower(p)
	name := path.Base(p)
	if allowedNames[name] {
		return false
	}
	for _, pattern := range deniedNames {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	for _, end := range deniedPaths {
		if p == end || strings.HasSuffix(p, "/"+end) {
			return true
		}
	}
	return false
}

// beginsAKey are how files of private keys begin, whatever their names: PEM (RFC 7468) and OpenPGP, PuTTY's, age's.
var beginsAKey = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\x{FEFF})?\s{0,16}(-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-[0-9]|AGE-SECRET-KEY-1)`)
})

// isPrivateKey reports whether a file counts as a credential by its first bytes.
func isPrivateKey(first []byte) bool { return beginsAKey().Match(first[:min(len(first), 128)]) }

// registryFiles are package managers' settings: part of an app, unless a credential is written into them.
var registryFiles = map[string]bool{".npmrc": true, ".yarnrc": true, ".yarnrc.yml": true}

var registryCredential = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?im)^[^#;\n]*(_auth|_authtoken|_password|npmauthtoken|npmauthident)["']?[ \t]*[=: ][ \t]*["']?([^\s"'$]|\$[^{])`)
})

const maxRegistryFile = 256 << 10

// suspicious reports whether a file is one that counts as a credential by what is in it.
func suspicious(dir string, info fs.FileInfo) bool {
	name := strings.ToLower(info.Name())
	switch {
	case registryFiles[name]:
		return holdsCredential(dir, info.Name())
	case strings.HasSuffix(name, ".json") && name != "package.json" && info.Size() >= minServiceAccount && info.Size() <= maxServiceAccount:
		return isServiceAccount(dir, info.Name())
	}
	return false
}

// A Google service account's key is a file of about 2,300 bytes, which is downloaded under the project's name:
// https://cloud.google.com/iam/docs/keys-create-delete
const minServiceAccount, maxServiceAccount = 512, 16 << 10

func isServiceAccount(dir, name string) bool {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return false // hashing tells that it cannot be read
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxServiceAccount))
	var key struct {
		Type       string `json:"type"`
		PrivateKey string `json:"private_key"`
	}
	return err == nil && json.Unmarshal(text, &key) == nil && key.Type == "service_account" && key.PrivateKey != ""
}

// holdsCredential reports whether a registry file has a credential in it; a reference such as ${NPM_TOKEN} is none. What cannot be
// read, or is too large to be one, counts as holding one.
func holdsCredential(dir, name string) bool {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return true
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeType != 0 || info.Size() > maxRegistryFile {
		return true
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRegistryFile))
	return err != nil || registryCredential().Match(text)
}
