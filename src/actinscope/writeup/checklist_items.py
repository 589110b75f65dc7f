"""The items of two checklists for studies with machine learning, in our own short words.

DOME: Walsh et al., Nature Methods 18: 1122 (2021). Its items have names and no numbers;
the letters and numbers here follow their order in its table.
REFORMS: Kapoor et al., Science Advances 10: eadk3452 (2024), table 1; the numbers are theirs.
"""

from __future__ import annotations

DOME_ITEMS: dict[str, str] = {
    "D1 provenance": "Where do the data come from, how many are there, were they used before?",
    "D2 splits": "How many parts, how large, with how much of each class?",
    "D3 redundancy": "How were the parts made, are they independent, how was that enforced?",
    "D4 availability": "Are data and split public, where, under which licence?",
    "O1 algorithm": "Which class of algorithm, is it new, why this one?",
    "O2 meta-predictions": "Do outputs of other predictors go in?",
    "O3 encoding": "How were the data encoded and preprocessed?",
    "O4 parameters": "How many parameters, how was their number chosen?",
    "O5 features": "How many input features, were they selected, on which data?",
    "O6 fitting": "Are there far more parameters than data, how was overfitting ruled out?",
    "O7 regularisation": "What was done against overfitting?",
    "O8 configuration": "Are settings, schedule and model files available?",
    "M1 interpretability": "Black box or transparent, with which examples?",
    "M2 output": "Classification or regression?",
    "M3 execution time": "How long does one prediction take on a usual computer?",
    "M4 software": "Are code and a way to run it public, under which licence?",
    "E1 evaluation": "How was the method evaluated?",
    "E2 measures": "Which measures are reported, are they the usual ones?",
    "E3 comparison": "Was it compared with public methods and with simple baselines?",
    "E4 confidence": "Have the measures intervals, is superiority significant?",
    "E5 availability": "Are the raw results of the evaluation available?",
}

REFORMS_ITEMS: dict[str, str] = {
    "1a": "About which population is the claim made?",
    "1b": "Why this population?",
    "1c": "Why machine learning?",
    "2a": "Which dataset, with a permanent link?",
    "2b": "Which code in which version, with a permanent link?",
    "2c": "Which hardware, system and software?",
    "2d": "Where are instructions to reproduce the results?",
    "2e": "Is there a script that reproduces all results?",
    "3a": "Where and when were data collected, who labelled them and how?",
    "3b": "From which set were the data sampled, and how?",
    "3c": "Why do these data suit the task?",
    "3d": "What is the outcome, how is it distributed?",
    "3e": "How many samples, in how many independent individuals, of each class?",
    "3f": "How much is missing, by class?",
    "3g": "Does the set that was sampled represent the population of 1a?",
    "4a": "Which samples were left out, and why?",
    "4b": "How were impossible or corrupt samples found and treated?",
    "4c": "Which transformations lead from raw data to the model's input?",
    "5a": "Which models were trained: inputs, type, loss?",
    "5b": "Why these types of model?",
    "5c": "How was the model evaluated, with which splits?",
    "5d": "How was the reported model selected?",
    "5e": "How were hyperparameters tuned?",
    "5f": "Were comparisons made with fair, tuned baselines?",
    "6a": "Do preprocessing and modelling use training data only?",
    "6b": "How were dependencies and duplicates between the parts dealt with?",
    "6c": "Is every input legitimate, or may it give the answer away?",
    "7a": "Which metrics, and do they suit the task?",
    "7b": "Which uncertainty, and how was it calculated?",
    "7c": "Which statistical tests, and do their assumptions hold?",
    "8a": "What is known of validity beyond these data?",
    "8b": "Where are the findings not expected to hold?",
}
