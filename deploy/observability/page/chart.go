package page

import (
	"fmt"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts"
	"github.com/go-analyze/charts/chartdraw/drawing"

	"haberdash/deploy/observability/boards"
)

// colours is how many series of a picture have a colour. Those with the smallest values are left out, and the legend
// says how many.
const colours = 10

// The library draws with these colours, which stand for those of style.css: the browser replaces them, so that one
// picture fits a light and a dark page.
var (
	axisColour = drawing.Color{R: 2, A: 255}
	gridColour = drawing.Color{R: 3, A: 255}
	textColour = drawing.Color{R: 4, A: 255}
	palette    = charts.MakeTheme(charts.ThemeOption{
		XAxisStrokeColor:   axisColour,
		YAxisStrokeColor:   axisColour,
		AxisSplitLineColor: gridColour,
		TextColor:          textColour,
		BackgroundColor:    charts.ColorTransparent,
		SeriesColors:       seriesColours(),
	})
)

func seriesColours() (list []charts.Color) {
	for i := range colours {
		list = append(list, drawing.Color{R: 1, B: uint8(i), A: 255})
	}
	return list
}

// picture draws the series of a panel as lines over a span of time.
func picture(p boards.Panel, lines []series, end time.Time, span time.Duration) (template.HTML, error) {
	data, top := values(lines[:min(len(lines), colours)], p.Kind == boards.Stacked)
	labels := make([]string, len(data[0]))
	for i := range labels {
		labels[i] = end.Add(-span + span*time.Duration(i)/time.Duration(max(len(labels)-1, 1))).Format("15:04")
	}
	opt := charts.NewLineChartOptionWithData(data)
	opt.Theme = palette
	opt.Padding = charts.Box{Left: 2, Top: 8, Right: 18, Bottom: 2, IsSet: true}
	opt.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	opt.LineStrokeWidth = 1.5
	opt.XAxis = charts.XAxisOption{Labels: labels, LabelCount: 6, BoundaryGap: charts.Ptr(false),
		LabelFontStyle: charts.FontStyle{FontSize: 10}}
	opt.YAxis = []charts.YAxisOption{{Min: charts.Ptr(0.0), Max: charts.Ptr(ceiling(p.Unit, top)),
		LabelCount: intervals + 1, RangeValuePaddingScale: charts.Ptr(0.0), LabelFontStyle: charts.FontStyle{FontSize: 10},
		ValueFormatter: p.Unit.Format}}
	if p.Kind == boards.Stacked {
		opt.StackSeries = charts.Ptr(true)
		opt.FillOpacity = 70
	}
	return draw(600, 180, opt)
}

// sparkline draws the course of a number.
func sparkline(line series) (template.HTML, error) {
	data, top := values([]series{line}, false)
	opt := charts.NewLineChartOptionWithData(data)
	opt.Theme = palette
	opt.Padding = charts.Box{Top: 3, Bottom: 1, IsSet: true}
	opt.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	opt.LineStrokeWidth = 1.5
	opt.FillArea = charts.Ptr(true)
	opt.FillOpacity = 40
	opt.XAxis.Show = charts.Ptr(false)
	opt.YAxis = []charts.YAxisOption{{Show: charts.Ptr(false), Min: charts.Ptr(0.0), Max: charts.Ptr(max(top*1.1, 1e-9)),
		SplitLineShow: charts.Ptr(false)}}
	return draw(200, 40, opt)
}

// intervals is how many parts the vertical axis has.
const intervals = 4

// ceiling is the end of an axis that reaches up to a value and whose parts have round lengths in a unit.
func ceiling(u boards.Unit, top float64) float64 {
	if top <= 0 {
		return 1
	}
	part, base := top/intervals, 1.0
	if u == boards.Bytes {
		base = math.Pow(1024, math.Floor(math.Log(part)/math.Log(1024)))
	}
	size := base * math.Pow(10, math.Floor(math.Log10(part/base)))
	for _, round := range []float64{1, 2, 2.5, 5, 10} {
		if part <= round*size*(1+1e-9) {
			return intervals * round * size
		}
	}
	return intervals * 10 * size
}

// values are the values of series as the library takes them, and the largest of them, or of their sums if they are
// stacked. A sum cannot have gaps.
func values(lines []series, stacked bool) (data [][]float64, top float64) {
	sums := make([]float64, len(lines[0].values))
	for _, s := range lines {
		row := make([]float64, len(s.values))
		for i, v := range s.values {
			switch {
			case !math.IsNaN(v) && !math.IsInf(v, 0):
				row[i] = v
				if stacked {
					sums[i] += v
				} else {
					sums[i] = max(sums[i], v)
				}
			case !stacked:
				row[i] = charts.GetNullValue()
			}
		}
		data = append(data, row)
	}
	return data, slices.Max(sums)
}

func draw(width, height int, opt charts.LineChartOption) (template.HTML, error) {
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height,
		Theme: palette})
	if err := p.LineChart(opt); err != nil {
		return "", err
	}
	text, err := p.Bytes()
	if err != nil {
		return "", err
	}
	return template.HTML(themed(string(text))), nil //nolint:gosec // the library escapes text
}

var (
	styleAttribute = regexp.MustCompile(` style="([^"]*)"`)
	rgb            = regexp.MustCompile(`^rgba?\((\d+),(\d+),(\d+)(?:,([\d.]+))?\)$`)
)

// themed replaces the style attributes of a picture, which the page's content security policy forbids, by attributes of
// SVG, and the library's colours by those of the style sheet.
func themed(svg string) string {
	return styleAttribute.ReplaceAllStringFunc(svg, func(attribute string) string {
		var b strings.Builder
		for _, declaration := range strings.Split(styleAttribute.FindStringSubmatch(attribute)[1], ";") {
			name, value, ok := strings.Cut(declaration, ":")
			if !ok || name == "font-family" { // the page has its own font
				continue
			}
			colour := rgb.FindStringSubmatch(value)
			if colour == nil {
				fmt.Fprintf(&b, ` %s="%s"`, name, value)
				continue
			}
			fmt.Fprintf(&b, ` %s="var(%s)"`, name, variable(colour[1], colour[3]))
			if colour[4] != "" {
				fmt.Fprintf(&b, ` %s-opacity="%s"`, name, colour[4])
			}
		}
		return b.String()
	})
}

// variable is the name in the style sheet of a colour that the library was given.
func variable(red, blue string) string {
	switch red {
	case "2":
		return "--axis"
	case "3":
		return "--grid"
	case "4":
		return "--quiet"
	}
	i, _ := strconv.Atoi(blue)
	return "--c" + strconv.Itoa(i%colours)
}
