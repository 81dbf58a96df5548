"""What reads latents or pixels: `trials`, `validate`, `fit`, `predict_proba`.

`validate(X, y, X_val, y_val)` scores every trial on held-out labels; selection picks one;
`validate_folds(X, y, folds)`, where a probe has it, does so for all folds (positions) together;
`fit(X, y, trial)` refits it on all labels of the budget; fitted state ends in `_`.
"""
