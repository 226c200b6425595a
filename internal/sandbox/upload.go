package sandbox

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// An archive holds this many files and bytes at the most; a larger file goes alone. [?] the API's own limits.
const (
	archiveFiles = 10_000
	archiveBytes = 64 << 20
	// uploadRate is the least speed, in bytes a second, that an upload is given time for.
	uploadRate = 128 << 10
)

// upload lays the source out in the sandbox's folder: files by tar.gz, which are packed as they are sent, and links by ln, since an
// archive may hold none.
func (j *job) upload(ctx context.Context) error {
	var batch, links []slipway.File
	size := int64(0)
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := j.write(ctx, batch, size)
		batch, size = nil, 0
		return err
	}
	for _, f := range j.order.Files.Files() {
		if isLink(f) {
			links = append(links, f)
			continue
		}
		if len(batch) == archiveFiles || size+f.Size > archiveBytes {
			if err := send(); err != nil {
				return err
			}
		}
		batch, size = append(batch, f), size+f.Size
	}
	if err := send(); err != nil {
		return err
	}
	return j.link(ctx, links)
}

// write sends one archive: https://vercel.com/docs/rest-api/sandboxes. Sending it twice does the same as once.
func (j *job) write(ctx context.Context, files []slipway.File, size int64) error {
	config := j.config
	config.Timeout = rest.DefaultTimeout + time.Duration(size/uploadRate)*time.Second
	return rest.New(config, j.api).Do(ctx, rest.Request{
		Op: "sandbox write", Method: http.MethodPost, Path: rest.Path("/v2/sandboxes/sessions/%s/fs/write", j.session), Repeatable: true,
		Header: http.Header{"Content-Type": {"application/gzip"}, "X-Cwd": {workRemote}},
		Size:   -1, // known when it is packed
		Raw: func() (io.ReadCloser, error) {
			from, to := io.Pipe()
			go func() { to.CloseWithError(j.pack(ctx, files, to)) }()
			return from, nil
		},
	}, nil)
}

// pack writes a tar.gz of files to w, one buffer of one file at a time.
func (j *job) pack(ctx context.Context, files []slipway.File, w io.Writer) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	for _, f := range files {
		if err := j.packFile(ctx, f, archive); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}

func (j *job) packFile(ctx context.Context, f slipway.File, archive *tar.Writer) error {
	from, err := j.order.Files.Open(ctx, f)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := archive.WriteHeader(&tar.Header{Name: f.Path, Typeflag: tar.TypeReg, Mode: int64(fs.FileMode(f.Mode).Perm()), Size: f.Size}); err != nil {
		return err
	}
	_, err = io.Copy(archive, from)
	return err
}

// link makes the source's links, and the folders that hold nothing else.
func (j *job) link(ctx context.Context, links []slipway.File) error {
	for _, f := range links {
		from, err := j.order.Files.Open(ctx, f)
		if err != nil {
			return err
		}
		var target strings.Builder
		_, err = io.Copy(&target, from)
		from.Close()
		if err != nil {
			return err
		}
		for _, argv := range [][]string{{"mkdir", "-p", "--", path.Dir(f.Path)}, {"ln", "-sfn", "--", target.String(), f.Path}} {
			end, err := j.exec(ctx, argv, "", false, func(string) error { return nil })
			if err != nil {
				return err
			}
			if *end.ExitCode != 0 {
				return slipway.Errorf(slipway.CodeRefused, "the link %s could not be made in the sandbox", f.Path).WithHint("replace it by a file, or run in verify.sandbox: local")
			}
		}
	}
	return nil
}
