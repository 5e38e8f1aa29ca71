package demo

// shelves is the tree of categories: parent/handle|name.
var shelves = []string{
	"headwear|Headwear", "headwear/hats|Hats", "headwear/caps-and-berets|Caps & berets",
	"accessories|Accessories", "accessories/scarves|Scarves", "accessories/ties|Ties & bow ties", "accessories/gloves|Gloves",
	"accessories/umbrellas|Umbrellas", "accessories/socks|Socks",
	"sewing|Sewing", "sewing/buttons|Buttons", "sewing/ribbons|Ribbons", "sewing/threads|Threads",
	"sewing/needles-and-pins|Needles & pins", "sewing/tools|Tools", "sewing/zips|Zips",
	"cloth-and-yarn|Cloth & yarn", "cloth-and-yarn/cloth|Cloth by the metre", "cloth-and-yarn/yarn|Yarn",
}

var hatSizes, gloveSizes, sockSizes = []string{"S", "M", "L"}, []string{"7", "8", "9"}, []string{"36-40", "41-45"}

var book = []goods{
	{"felt-fedora", "Ashdown felt fedora", "Brimble & Sons", "hats", "fedora", 8900, 0, 180, []string{"navy", "camel", "charcoal"}, "Size", hatSizes, "felt wool winter", "Blocked by hand from one piece of wool felt. It keeps its shape in the rain and its manners indoors.", many},
	{"straw-boater", "Regatta straw boater", "Brimble & Sons", "hats", "boater", 5200, 0, 140, []string{"straw"}, "Size", hatSizes, "straw summer", "Stiff, light and flat on top, with a grosgrain band. For rivers, lawns and long lunches.", 0},
	{"garden-sun-hat", "Garden sun hat", "Brimble & Sons", "hats", "boater", 3900, 4900, 120, []string{"straw", "sage"}, "Size", hatSizes, "straw summer garden", "A wide brim of woven paper straw with a cotton band that ties behind the chin.", many},
	{"herringbone-flat-cap", "Herringbone flat cap", "Ferrier", "caps-and-berets", "cap", 4500, 0, 110, []string{"brown", "charcoal", "olive"}, "Size", hatSizes, "tweed wool winter", "Cut from pure new wool herringbone and lined with quilted cotton.", many},
	{"merino-beanie", "Merino ribbed beanie", "Northlight Knits", "caps-and-berets", "beanie", 2900, 0, 70, []string{"rust", "navy", "cream", "sage"}, "", nil, "wool merino winter knitted", "Double-knitted in soft merino, with a turn-up that covers the ears.", many},
	{"basque-beret", "Basque beret", "Ferrier", "caps-and-berets", "beret", 3500, 0, 90, []string{"red", "black", "navy"}, "", nil, "wool felt", "The proper thing, felted and milled in the mountains, with the little stalk on top.", many},

	{"lambswool-scarf", "Lambswool scarf", "Northlight Knits", "scarves", "scarf", 4800, 0, 160, []string{"rust", "navy", "grey", "sage"}, "", nil, "wool winter", "Woven from Geelong lambswool and brushed until it is soft enough for the neck it is for.", many},
	{"cashmere-wrap", "Cashmere wrap", "Northlight Knits", "scarves", "scarf", 12900, 15900, 210, []string{"camel", "cream", "plum"}, "", nil, "cashmere winter gift", "Two metres of two-ply cashmere: a scarf, a shawl, or a blanket for a cold theatre.", many},
	{"silk-square", "Meadow silk square", "Atelier Poppy", "scarves", "square", 6500, 0, 60, []string{"poppy", "teal", "mustard"}, "", nil, "silk gift printed", "Printed silk twill with hand-rolled edges, ninety centimetres each way.", many},
	{"linen-summer-scarf", "Linen summer scarf", "Atelier Poppy", "scarves", "scarf", 3600, 0, 90, []string{"sky", "cream"}, "", nil, "linen summer", "Washed linen, thin as a breeze and better for being crumpled.", many},

	{"grenadine-tie", "Silk grenadine tie", "Calloway", "ties", "tie", 5900, 0, 60, []string{"navy", "burgundy", "green"}, "", nil, "silk formal gift", "Woven on old wooden looms, three folds, no lining to speak of and no shine.", many},
	{"knitted-tie", "Knitted silk tie", "Calloway", "ties", "tie", 4200, 0, 55, []string{"rust", "black", "teal"}, "", nil, "silk knitted", "Square at the end and easy at the knot: the tie for people who dislike ties.", many},
	{"velvet-bow-tie", "Velvet bow tie", "Calloway", "ties", "bowtie", 3400, 0, 30, []string{"burgundy", "black", "green"}, "", nil, "velvet formal", "Self-tied cotton velvet, adjustable from 35 to 46 centimetres.", many},
	{"linen-pocket-square", "Linen pocket square", "Calloway", "ties", "pocket", 1950, 0, 20, []string{"cream", "sky", "red"}, "", nil, "linen formal gift", "White linen with a hand-rolled border in colour. Folds flat, stays put.", many},
	{"button-braces", "Button-on braces", "Calloway", "ties", "braces", 3800, 0, 120, []string{"burgundy", "navy"}, "", nil, "formal leather", "Boxcloth straps with leather ends and brass levers. Buttons are in the envelope.", many},

	{"driving-gloves", "Unlined driving gloves", "Ferrier", "gloves", "gloves", 7500, 0, 90, []string{"camel", "black"}, "Size", gloveSizes, "leather gift", "Hairsheep leather, cut by table and sewn out of sight, with holes for the knuckles.", many},
	{"cashmere-lined-gloves", "Cashmere-lined gloves", "Ferrier", "gloves", "gloves", 6900, 8500, 130, []string{"brown", "black"}, "Size", gloveSizes, "leather cashmere winter", "Nappa outside, cashmere inside, three points on the back.", many},
	{"fair-isle-gloves", "Fair Isle gloves", "Northlight Knits", "gloves", "gloves", 2700, 0, 80, []string{"teal", "rust"}, "", nil, "wool knitted winter", "Five colours of Shetland wool and not a float out of place.", many},

	{"walking-umbrella", "Chestnut walking umbrella", "Pelham", "umbrellas", "umbrella", 6500, 0, 560, []string{"black", "navy", "green"}, "", nil, "rain wood", "A steamed chestnut crook, a steel shaft and eight ribs that have met wind before.", many},
	{"folding-umbrella", "Pocket umbrella", "Pelham", "umbrellas", "umbrella", 3200, 0, 280, []string{"mustard", "black", "plum"}, "", nil, "rain travel", "Opens at a button, shuts at a button, lives in the bag you forgot it in.", many},
	{"childrens-umbrella", "Children's dome umbrella", "Pelham", "umbrellas", "umbrella", 2200, 0, 240, []string{"red"}, "", nil, "rain children", "Small hands, safe runner, no sharp ends. Puddles are sold separately.", 0},

	{"merino-socks", "Merino everyday socks", "Northlight Knits", "socks", "socks", 1600, 0, 70, []string{"navy", "rust", "grey"}, "Size", sockSizes, "wool merino", "Fine-gauge merino with a hand-linked toe: no seam where the shoe presses.", many},
	{"cotton-ribbed-socks", "Ribbed cotton socks", "Calloway", "socks", "socks", 1200, 0, 60, []string{"burgundy", "black", "green"}, "Size", sockSizes, "cotton formal", "Long-staple cotton, knee-high or nearly, and they stay there.", many},

	{"horn-buttons", "Horn buttons", "Knopf & Loop", "buttons", "buttons", 690, 0, 15, []string{"brown", "black"}, "Diameter", []string{"15 mm", "20 mm+120", "25 mm+240"}, "natural horn", "Five four-hole buttons of polished ox horn. No two have the same grain.", many},
	{"pearl-buttons", "Mother-of-pearl buttons", "Knopf & Loop", "buttons", "buttons", 840, 0, 12, []string{"pearl"}, "Diameter", []string{"9 mm", "11 mm+90", "15 mm+210"}, "natural pearl", "Six shirt buttons, cut from trocas shell and cool to the touch.", many},
	{"brass-blazer-buttons", "Brass blazer buttons", "Knopf & Loop", "buttons", "buttons", 1250, 0, 40, []string{"brass"}, "", nil, "brass formal", "A set of three large and six small shank buttons with an anchor, die-struck and gilt.", many},
	{"coconut-buttons", "Coconut-shell buttons", "Knopf & Loop", "buttons", "buttons", 420, 0, 10, []string{"camel", "rust", "sage"}, "", nil, "natural", "Eight light two-hole buttons for cardigans, cushions and children's coats.", many},

	{"grosgrain-ribbon", "Grosgrain ribbon", "Bandweberei Linn", "ribbons", "ribbon", 420, 0, 20, []string{"navy", "poppy", "mustard", "sage"}, "Width", []string{"10 mm", "25 mm+130", "38 mm+260"}, "trim cotton", "Ribbed cotton and viscose, three metres on a card. The hatter's ribbon.", many},
	{"satin-ribbon", "Double satin ribbon", "Bandweberei Linn", "ribbons", "ribbon", 360, 0, 18, []string{"cream", "plum", "teal", "red"}, "Width", []string{"6 mm", "15 mm+80"}, "trim gift", "Satin on both faces, five metres on a reel, edges that do not curl.", many},
	{"velvet-ribbon", "Velvet ribbon", "Bandweberei Linn", "ribbons", "ribbon", 580, 0, 24, []string{"burgundy", "green", "black"}, "", nil, "trim velvet", "Nylon velvet with a satin back, nine millimetres wide, three metres.", many},

	{"cotton-thread", "Cotton sewing thread", "Spindle Mill", "threads", "thread", 240, 0, 25, []string{"black", "cream", "navy", "red", "sage", "mustard", "grey", "teal"}, "", nil, "cotton", "Long-staple cotton, number 50, mercerised: two hundred metres for machine and hand.", many},
	{"silk-thread", "Silk buttonhole thread", "Spindle Mill", "threads", "thread", 490, 0, 10, []string{"burgundy", "camel", "teal"}, "", nil, "silk", "Filament silk with the twist that a good buttonhole wants, ten metres.", many},
	{"embroidery-floss", "Stranded embroidery floss", "Spindle Mill", "threads", "yarn", 190, 0, 8, []string{"poppy", "sky", "mustard", "plum", "green"}, "", nil, "cotton embroidery", "Six strands of divisible cotton, eight metres, fast to boiling.", many},

	{"sewing-needles", "Sewing needles, assorted", "Nadel & Oehr", "needles-and-pins", "needles", 320, 0, 10, []string{"steel"}, "", nil, "steel", "Twenty sharps, sizes 3 to 9, with gilt eyes that open where you look for them.", many},
	{"embroidery-needles", "Embroidery needles", "Nadel & Oehr", "needles-and-pins", "needles", 360, 0, 10, []string{"brass"}, "", nil, "steel embroidery", "Sixteen crewels with long eyes for six strands at once.", many},
	{"glass-head-pins", "Glass-headed pins", "Nadel & Oehr", "needles-and-pins", "pincushion", 450, 0, 30, []string{"sky"}, "", nil, "steel glass", "A hundred fine pins that an iron does not melt.", many},
	{"tomato-pincushion", "Tomato pincushion", "Nadel & Oehr", "needles-and-pins", "pincushion", 980, 0, 90, []string{"red"}, "", nil, "gift", "The classic, filled with sawdust, and a strawberry of emery to sharpen what is stuck in it. The last one.", 1},

	{"dressmaking-shears", "Dressmaking shears, 21 cm", "Nadel & Oehr", "tools", "scissors", 3900, 0, 230, []string{"black"}, "", nil, "steel", "Drop-forged, hollow-ground, adjustable at the screw. Keep them from paper and from family.", many},
	{"stork-scissors", "Stork embroidery scissors", "Nadel & Oehr", "tools", "scissors", 1650, 0, 40, []string{"brass", "steel"}, "", nil, "steel embroidery gift", "Nine centimetres, sharp to the tip, shaped like the bird since 1880.", many},
	{"tape-measure", "Tailor's tape measure", "Knopf & Loop", "tools", "tape", 520, 0, 35, []string{"mustard", "poppy"}, "", nil, "tailor", "Fibreglass, 150 centimetres on one side and 60 inches on the other, brass at the ends.", many},
	{"metal-zip", "Metal zip", "Knopf & Loop", "zips", "zip", 310, 0, 20, []string{"navy", "black", "red"}, "Length", []string{"18 cm", "40 cm+120", "60 cm+220"}, "brass", "Brass teeth on cotton tape with a locking slider. Closed end.", many},

	{"irish-linen", "Irish linen", "Webstuhl Norden", "cloth", "cloth", 2400, 0, 190, []string{"cream", "sky", "sage"}, "", nil, "linen cloth", "A metre of washed plain-weave linen, 150 centimetres wide, 185 grams.", many},
	{"tweed-cloth", "Island tweed", "Webstuhl Norden", "cloth", "cloth", 3200, 3800, 330, []string{"brown", "green", "charcoal"}, "", nil, "tweed wool cloth winter", "Half a metre of hand-woven tweed that smells of peat when it rains.", many},
	{"cotton-poplin", "Cotton poplin", "Webstuhl Norden", "cloth", "cloth", 1200, 0, 120, []string{"red", "navy", "mustard"}, "", nil, "cotton cloth", "A metre for shirts, linings and first attempts, 140 centimetres wide.", many},
	{"highland-yarn", "Highland wool yarn", "Northlight Knits", "yarn", "yarn", 640, 0, 50, []string{"rust", "teal", "cream", "plum", "grey"}, "", nil, "wool knitting", "Fifty grams of woollen-spun two-ply, 120 metres, for needles of 4 millimetres.", many},
	{"sock-yarn", "Four-ply sock yarn", "Northlight Knits", "yarn", "yarn", 1150, 0, 100, []string{"sky", "mustard", "green"}, "", nil, "wool knitting", "Superwash wool with a quarter of nylon: a hundred grams, one pair of feet.", many},
}
