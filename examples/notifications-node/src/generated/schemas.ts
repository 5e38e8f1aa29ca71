// Written by npm run generate.

export default {
  "OrderFact": {
    "$ref": "#/$defs/OrderFact",
    "$defs": {
      "OrderFact": {
        "description": "OrderFact is the data of an order in events. Brokers and logs cannot erase data, so it has no personal data but the user id. Contact has the rest.",
        "properties": {
          "cartId": {
            "type": "string"
          },
          "cartVersion": {
            "format": "int64",
            "type": "integer"
          },
          "customer": {
            "description": "user id, empty for a guest",
            "type": "string"
          },
          "discount": {
            "$ref": "#/$defs/Money"
          },
          "lines": {
            "items": {
              "$ref": "#/$defs/OrderLine"
            },
            "type": "array"
          },
          "number": {
            "type": "string"
          },
          "orderId": {
            "type": "string"
          },
          "shipping": {
            "$ref": "#/$defs/Money"
          },
          "subtotal": {
            "$ref": "#/$defs/Money"
          },
          "tax": {
            "$ref": "#/$defs/Money"
          },
          "total": {
            "$ref": "#/$defs/Money"
          }
        },
        "required": [
          "orderId",
          "number",
          "cartId",
          "cartVersion",
          "lines",
          "subtotal",
          "discount",
          "shipping",
          "tax",
          "total"
        ],
        "type": "object"
      },
      "Money": {
        "description": "Money is an amount in minor units (cents for EUR, yen for JPY) of one currency.",
        "properties": {
          "amount": {
            "description": "Minor units: cents for EUR, yen for JPY",
            "examples": [
              1999
            ],
            "format": "int64",
            "type": "integer"
          },
          "currency": {
            "description": "ISO 4217 code",
            "examples": [
              "EUR"
            ],
            "pattern": "^[A-Z]{3}$",
            "type": "string"
          }
        },
        "required": [
          "amount",
          "currency"
        ],
        "type": "object"
      },
      "OrderLine": {
        "description": "OrderLine is a line of an order. Total is quantity × unitPrice; the buyer pays total − discount + tax.",
        "properties": {
          "discount": {
            "$ref": "#/$defs/Money"
          },
          "quantity": {
            "format": "int64",
            "type": "integer"
          },
          "shipped": {
            "description": "Needs shipping",
            "type": "boolean"
          },
          "sku": {
            "type": "string"
          },
          "tax": {
            "$ref": "#/$defs/Money"
          },
          "taxable": {
            "type": "boolean"
          },
          "title": {
            "type": "string"
          },
          "total": {
            "$ref": "#/$defs/Money"
          },
          "unitPrice": {
            "$ref": "#/$defs/Money"
          }
        },
        "required": [
          "sku",
          "title",
          "quantity",
          "unitPrice",
          "total",
          "taxable",
          "shipped",
          "discount",
          "tax"
        ],
        "type": "object"
      }
    }
  },
  "AccountFact": {
    "$ref": "#/$defs/AccountFact",
    "$defs": {
      "AccountFact": {
        "description": "AccountFact is all of the data of a user in events: beside the UserFact, who acted.",
        "properties": {
          "by": {
            "description": "id of the user who acted; empty if nobody was signed in",
            "type": "string"
          },
          "mailId": {
            "description": "of the mail to send: see UserLetter",
            "type": "string"
          },
          "secondFactor": {
            "description": "the kind of the factor that was added or removed",
            "type": "string"
          },
          "sessionId": {
            "description": "in which the user acted",
            "type": "string"
          },
          "userId": {
            "type": "string"
          }
        },
        "required": [
          "userId"
        ],
        "type": "object"
      }
    }
  }
};
